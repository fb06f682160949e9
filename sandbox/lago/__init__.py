"""A stand-in for Lago, the billing system: the part of its API and of its tables that the credit flow needs.

It is not Lago. It speaks Lago's HTTP API (read from lago-api, lago-openapi and lago-python-client 1.55) for
customers, plans, subscriptions, events, current usage and invoices. It keeps its state in PostgreSQL tables with
the names, integer enums and constraints of Lago's own. The official client and a query of the `lago` database
both find what they would find there.

Five monthly plans are there from the start. The API can read them, but not make, change or remove them. A
subscription that changes to a dearer plan does so at once, to a cheaper one at the end of the period, as in Lago.
It leaves out wallets, taxes, coupons, credit notes, payments, webhooks, PDF files, proration (a period paid in
advance costs the whole plan), renewal and termination invoices, and time zones other than UTC. Their routes answer
404 `resource_not_found`, as any unknown one does.
"""
