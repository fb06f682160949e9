-- Tables of the Lago stand-in, named and typed as in Lago's db/structure.sql. Running it again changes nothing.
-- Times are UTC without a time zone, enums are integers in the order of Lago's models.

create table if not exists organizations (
  id uuid primary key default gen_random_uuid(),
  name varchar not null unique,
  created_at timestamp(6) not null default (now() at time zone 'utc')
);

create table if not exists billing_entities (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  code varchar not null,
  name varchar not null,
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  unique (organization_id, code)
);

create table if not exists api_keys (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name varchar,
  value varchar not null unique,
  permissions jsonb not null default '{}',
  expires_at timestamp(6),
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
create unique index if not exists index_api_keys_on_organization_and_name on api_keys (organization_id, name);

create sequence if not exists customers_sequential_id_seq;

create table if not exists customers (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  billing_entity_id uuid not null references billing_entities (id),
  external_id varchar not null,
  name varchar,
  firstname varchar,
  lastname varchar,
  customer_type integer,                 -- 0 company, 1 individual
  account_type integer not null default 0, -- 0 customer
  email varchar,
  phone varchar,
  url varchar,
  legal_name varchar,
  legal_number varchar,
  logo_url varchar,
  tax_identification_number varchar,
  currency varchar,
  country varchar,
  address_line1 varchar,
  address_line2 varchar,
  city varchar,
  state varchar,
  zipcode varchar,
  timezone varchar,
  net_payment_term integer,
  shipping_address jsonb not null default '{}',
  billing_configuration jsonb not null default '{}',
  metadata jsonb not null default '[]',
  sequential_id bigint not null default nextval('customers_sequential_id_seq'),
  slug varchar generated always as ('SBX-0001-' || case when sequential_id < 1000
    then lpad(sequential_id::text, 3, '0') else sequential_id::text end) stored,
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  updated_at timestamp(6) not null default (now() at time zone 'utc'),
  deleted_at timestamp(6)
);
create unique index if not exists index_customers_on_external_id_and_organization_id
  on customers (external_id, organization_id) where deleted_at is null;
create index if not exists index_customers_on_external_id on customers (external_id);

create table if not exists billable_metrics (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name varchar not null,
  code varchar not null,
  description varchar,
  aggregation_type integer not null,     -- 0 count, 1 sum, 2 max, 3 unique count
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  updated_at timestamp(6) not null default (now() at time zone 'utc')
);
create unique index if not exists index_billable_metrics_on_organization_id_and_code
  on billable_metrics (organization_id, code);

create table if not exists plans (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  name varchar not null,
  code varchar not null,
  "interval" integer not null,           -- 0 weekly, 1 monthly, 2 yearly, 3 quarterly, 4 semiannual
  amount_cents bigint not null check (amount_cents >= 0),
  amount_currency varchar not null,
  pay_in_advance boolean not null default false,
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  updated_at timestamp(6) not null default (now() at time zone 'utc')
);
create unique index if not exists index_plans_on_organization_id_and_code on plans (organization_id, code);

create table if not exists charges (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  plan_id uuid not null references plans (id),
  billable_metric_id uuid not null references billable_metrics (id),
  charge_model integer not null default 0, -- 0 standard
  properties jsonb not null default '{}',
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
create index if not exists index_charges_on_plan_id on charges (plan_id);

create table if not exists subscriptions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  customer_id uuid not null references customers (id),
  plan_id uuid not null references plans (id),
  external_id varchar not null,
  status integer not null,               -- 0 pending, 1 active, 2 terminated, 3 canceled, 4 incomplete
  billing_time integer not null default 0, -- 0 calendar, 1 anniversary
  subscription_at timestamp(6) not null,
  started_at timestamp(6),               -- null while pending
  terminated_at timestamp(6),
  canceled_at timestamp(6),
  previous_subscription_id uuid references subscriptions (id),
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  updated_at timestamp(6) not null default (now() at time zone 'utc')
);
create index if not exists index_subscriptions_on_external_id on subscriptions (external_id);
create index if not exists index_subscriptions_on_customer_id on subscriptions (customer_id);
create index if not exists index_subscriptions_on_plan_id on subscriptions (plan_id);
create index if not exists index_subscriptions_on_previous_subscription_id_and_status
  on subscriptions (previous_subscription_id, status);

create table if not exists invoices (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  billing_entity_id uuid not null references billing_entities (id),
  customer_id uuid not null references customers (id),
  number varchar not null,
  sequential_id integer not null,
  issuing_date date not null,
  payment_due_date date not null,
  net_payment_term integer not null default 0,
  invoice_type integer not null,         -- 0 subscription, 1 add_on, 2 credit, 3 one_off, 4, 5
  status integer not null,               -- 0 draft, 1 finalized, 2 voided, 3 generating, 4 failed, ...
  payment_status integer not null default 0, -- 0 pending, 1 succeeded, 2 failed
  payment_overdue boolean not null default false,
  currency varchar not null,
  fees_amount_cents bigint not null default 0,
  taxes_amount_cents bigint not null default 0,
  progressive_billing_credit_amount_cents bigint not null default 0,
  coupons_amount_cents bigint not null default 0,
  credit_notes_amount_cents bigint not null default 0,
  sub_total_excluding_taxes_amount_cents bigint not null default 0,
  sub_total_including_taxes_amount_cents bigint not null default 0,
  prepaid_credit_amount_cents bigint not null default 0,
  total_amount_cents bigint not null default 0,
  total_paid_amount_cents bigint not null default 0,
  version_number integer not null default 4,
  self_billed boolean not null default false,
  created_at timestamp(6) not null default (now() at time zone 'utc'),
  updated_at timestamp(6) not null default (now() at time zone 'utc'),
  unique (customer_id, sequential_id)
);
create index if not exists index_invoices_on_customer_id on invoices (customer_id);

create table if not exists invoice_subscriptions (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  invoice_id uuid not null references invoices (id),
  subscription_id uuid not null references subscriptions (id),
  invoicing_reason integer not null,     -- 0 subscription_starting
  from_datetime timestamp(6),
  to_datetime timestamp(6),
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
-- A subscription has one starting invoice, even if its job runs twice.
create unique index if not exists index_unique_starting_invoice_subscription
  on invoice_subscriptions (subscription_id, invoicing_reason) where invoicing_reason = 0;
create index if not exists index_invoice_subscriptions_on_invoice_id on invoice_subscriptions (invoice_id);

create table if not exists fees (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  invoice_id uuid not null references invoices (id),
  subscription_id uuid references subscriptions (id),
  fee_type integer not null,             -- 2 subscription
  amount_cents bigint not null,
  amount_currency varchar not null,
  units numeric not null default 1,
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
create index if not exists index_fees_on_invoice_id on fees (invoice_id);

create table if not exists events (
  id uuid primary key default gen_random_uuid(),
  organization_id uuid not null references organizations (id),
  transaction_id varchar not null,
  external_subscription_id varchar not null,
  code varchar not null,
  "timestamp" timestamp(6) not null,
  properties jsonb not null default '{}',
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
create unique index if not exists index_unique_transaction_id
  on events (organization_id, external_subscription_id, transaction_id);
create index if not exists index_events_on_transaction_id on events (transaction_id);
create index if not exists index_events_on_external_subscription_id_and_code
  on events (external_subscription_id, code, "timestamp");

-- The stand-in's own queue, where Lago has Sidekiq. The transaction that does a job deletes its row.
create table if not exists jobs (
  id bigserial primary key,
  kind varchar not null,
  payload jsonb not null,
  run_at timestamp(6) not null,
  attempts integer not null default 0,
  last_error varchar,
  created_at timestamp(6) not null default (now() at time zone 'utc')
);
create index if not exists index_jobs_on_run_at on jobs (run_at);
