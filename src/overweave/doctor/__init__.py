"""What is wrong with an overlay that is in use, and the steps that mend it. Pure.

Each check looks at the same facts and at who is where, and tells of faults; a fault has the steps of its
remedy, or none where what is seen can't be explained.
"""
