"""The verbs of the zoo: one each, one short transaction, domain values out."""
