"""The examples of the schema, against what the API answers."""
