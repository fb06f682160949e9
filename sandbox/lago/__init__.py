"""A stand-in for Lago, the billing system: its API and its tables, as far as the credit flow needs them.

It is not Lago. It speaks Lago's HTTP API (read from lago-api, lago-openapi and lago-python-client 1.55) for
customers, plans, subscriptions, invoices, wallets, events and billable metrics, and keeps its state in
PostgreSQL tables with the names, integer enums and constraints of Lago's own, so that the official client
and a query of the `lago` database both find what they would find there.

What it leaves out: taxes, coupons, credit notes, add-ons, payment providers (so bought credits stay pending),
webhooks, PDF files, proration (a period paid in advance costs the whole plan), renewal and termination
invoices, time zones other than UTC. Their routes answer 404 `resource_not_found`, as any unknown one does.
"""
