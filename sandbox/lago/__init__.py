"""A stand-in for Lago, the billing system: its API and its tables, as far as the credit flow needs them.

It is not Lago. It speaks Lago's HTTP API (read from lago-api, lago-openapi and lago-python-client 1.55) for
customers, plans, subscriptions, invoices, wallets, events and billable metrics, and keeps its state in
PostgreSQL tables with the names, integer enums and constraints of Lago's own, so that the official client
and a query of the ``lago`` database both find what they would find there.

What it leaves out: taxes, coupons, credit notes, add-ons, payment providers, webhooks, PDF files, proration
(a paid-in-advance period costs the whole plan), renewal and termination invoices, time zones other than UTC.
A route of these answers 404 ``resource_not_found``, as an unknown route of Lago does.
"""
