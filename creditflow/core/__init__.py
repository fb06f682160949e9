"""What every room may use: errors, names, prices, redaction, time limits, polling. Imports no other room."""
