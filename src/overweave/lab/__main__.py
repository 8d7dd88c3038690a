import argparse
from pathlib import Path

from . import Lab

p = argparse.ArgumentParser()
p.add_argument("do", choices=["up", "down", "list"])
p.add_argument("--hosts", type=int)
p.add_argument("--name", default="lab")
p.add_argument("--subnet")
p.add_argument("--inventory", type=Path)
a = p.parse_args()
if a.do == "up":
    lab = Lab.up(a.name, a.hosts, subnet=a.subnet, progress=print)
    if a.inventory:
        lab.write_inventory(a.inventory)
    print(lab.inventory())
elif a.do == "down":
    Lab.load(a.name).down(print)
else:
    for lab in Lab.all():
        for h in lab.hosts:
            print(lab.name, h.name, h.address, h.running)
