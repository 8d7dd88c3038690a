"""`fab inventory-schema`: what an inventory may say, for editors."""

from __future__ import annotations

import json
import sys

from overweave.inventory_sections import schema

from .executor import FleetContext, cluster_task


@cluster_task(name="inventory-schema")
def inventory_schema(c: FleetContext) -> None:
    """
    Print the JSON Schema of an inventory, by which editors complete and check it.

    For those that use yaml-language-server, a first line of the inventory names the file:
    # yaml-language-server: $schema=inventory.schema.json

    Example: fab inventory-schema > inventory.schema.json
    """
    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")
