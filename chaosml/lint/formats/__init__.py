"""How findings are shown, one module a format: a pure function from an outcome to text."""
