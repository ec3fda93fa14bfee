"""What a scenario can say and what each fault does, in words made from the code.

The same text is printed by `chaosml explain` and `chaosml faults`, written into docs/scenario.md
and docs/faults.md (`pages`), and put into the JSON Schema for editors.
"""
