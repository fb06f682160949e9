"""People, organisations and the requests they send. Imports `cleanup` and below."""
