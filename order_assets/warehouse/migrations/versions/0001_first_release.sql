-- The schemas of the first release. Frozen: later changes are migrations of their own.

CREATE SEQUENCE ops.change_numbers;

CREATE SEQUENCE ops.crawl_sessions;

CREATE TABLE marts.customer_cohort_monthly (
    source_system TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    cohort_month DATE NOT NULL,
    month_number INTEGER NOT NULL,
    cohort_size INTEGER NOT NULL,
    active_customers INTEGER NOT NULL,
    orders INTEGER NOT NULL,
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    cumulative_net_sales NUMERIC(20, 4) NOT NULL,
    retention_rate NUMERIC(9, 6) NOT NULL,
    ltv_to_date NUMERIC(20, 4) NOT NULL,
    CONSTRAINT customer_cohort_monthly_pkey PRIMARY KEY (source_system, currency_code, cohort_month, month_number)
);

COMMENT ON TABLE marts.customer_cohort_monthly IS 'Cohorts of customers by month of their first recognised order; months without orders are rows of zeros';

COMMENT ON COLUMN marts.customer_cohort_monthly.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.customer_cohort_monthly.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.customer_cohort_monthly.cohort_month IS 'First day of the month of a customer''s first recognised order';

COMMENT ON COLUMN marts.customer_cohort_monthly.month_number IS 'Months since the cohort''s, from 0 to the month of ops.as_of';

COMMENT ON COLUMN marts.customer_cohort_monthly.cohort_size IS 'Customers whose first recognised order is in the cohort''s month';

COMMENT ON COLUMN marts.customer_cohort_monthly.active_customers IS 'Customers of the cohort with a recognised order in the month';

COMMENT ON COLUMN marts.customer_cohort_monthly.orders IS 'Recognised orders of the cohort in the month';

COMMENT ON COLUMN marts.customer_cohort_monthly.net_sales_amount IS 'Net sales of these orders';

COMMENT ON COLUMN marts.customer_cohort_monthly.cumulative_net_sales IS 'Net sales of the cohort from month 0 up to the month';

COMMENT ON COLUMN marts.customer_cohort_monthly.retention_rate IS 'Active customers / cohort size';

COMMENT ON COLUMN marts.customer_cohort_monthly.ltv_to_date IS 'Cumulative net sales / cohort size';

CREATE TABLE marts.customer_summary (
    source_system TEXT NOT NULL,
    customer_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    orders_placed INTEGER NOT NULL,
    orders_recognised INTEGER NOT NULL,
    orders_lost INTEGER NOT NULL,
    first_order_date DATE,
    last_order_date DATE,
    cohort_month DATE,
    lifetime_net_sales NUMERIC(20, 4) NOT NULL,
    lifetime_payment NUMERIC(20, 4) NOT NULL,
    lifetime_discount NUMERIC(20, 4) NOT NULL,
    aov_net_sales NUMERIC(20, 4),
    recency_days INTEGER,
    tenure_days INTEGER,
    avg_days_between_orders NUMERIC(12, 4),
    is_repeat BOOLEAN NOT NULL,
    distinct_stores INTEGER NOT NULL,
    CONSTRAINT customer_summary_pkey PRIMARY KEY (source_system, customer_key, currency_code)
);

COMMENT ON TABLE marts.customer_summary IS 'One row per customer and currency with a placed order; ages are taken at ops.as_of';

COMMENT ON COLUMN marts.customer_summary.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.customer_summary.customer_key IS 'Customer or member, as a pseudonym';

COMMENT ON COLUMN marts.customer_summary.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.customer_summary.orders_placed IS 'Orders placed: recognised + open + lost';

COMMENT ON COLUMN marts.customer_summary.orders_recognised IS 'Orders that count as revenue';

COMMENT ON COLUMN marts.customer_summary.orders_lost IS 'Orders canceled, returned to sender, or closed unpaid';

COMMENT ON COLUMN marts.customer_summary.first_order_date IS 'Order date of the first recognised order';

COMMENT ON COLUMN marts.customer_summary.last_order_date IS 'Order date of the last recognised order';

COMMENT ON COLUMN marts.customer_summary.cohort_month IS 'First day of the month of the first recognised order';

COMMENT ON COLUMN marts.customer_summary.lifetime_net_sales IS 'Net sales of the recognised orders; history, not a prediction';

COMMENT ON COLUMN marts.customer_summary.lifetime_payment IS 'Payment of the recognised orders';

COMMENT ON COLUMN marts.customer_summary.lifetime_discount IS 'Discounts of the recognised orders';

COMMENT ON COLUMN marts.customer_summary.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.customer_summary.recency_days IS 'as_of_date - last recognised order';

COMMENT ON COLUMN marts.customer_summary.tenure_days IS 'Last - first recognised order';

COMMENT ON COLUMN marts.customer_summary.avg_days_between_orders IS 'Tenure / (recognised orders - 1); NULL below two orders';

COMMENT ON COLUMN marts.customer_summary.is_repeat IS 'At least two recognised orders';

COMMENT ON COLUMN marts.customer_summary.distinct_stores IS 'Stores with a recognised order';

CREATE TABLE marts.dim_customer (
    customer_key TEXT NOT NULL,
    source_system TEXT NOT NULL,
    source_account TEXT NOT NULL,
    source_status TEXT,
    customer_created_at TIMESTAMP WITH TIME ZONE,
    email_hmac TEXT,
    phone_hmac TEXT,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT dim_customer_pkey PRIMARY KEY (customer_key)
);

COMMENT ON TABLE marts.dim_customer IS 'One row per customer or member, known only by a keyed pseudonym';

COMMENT ON COLUMN marts.dim_customer.customer_key IS 'HMAC-SHA256(key, source|account|id), hex';

COMMENT ON COLUMN marts.dim_customer.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.dim_customer.source_account IS 'Store or programme the person belongs to';

COMMENT ON COLUMN marts.dim_customer.source_status IS 'Status of the customer at the source, if it says one';

COMMENT ON COLUMN marts.dim_customer.customer_created_at IS 'When the source created the customer, if it says so';

COMMENT ON COLUMN marts.dim_customer.email_hmac IS 'Pseudonym of the e-mail address; NULL unless switched on';

COMMENT ON COLUMN marts.dim_customer.phone_hmac IS 'Pseudonym of the phone number; NULL unless switched on';

COMMENT ON COLUMN marts.dim_customer.first_seen_at IS 'When a page first named the customer';

COMMENT ON COLUMN marts.dim_customer.last_seen_at IS 'When the row was last brought up to date';

CREATE TABLE marts.dim_store (
    store_key TEXT NOT NULL,
    source_system TEXT NOT NULL,
    source_store_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    name_en TEXT,
    name_sc TEXT,
    name_tc TEXT,
    time_zone TEXT NOT NULL,
    default_currency CHAR(3) NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT dim_store_pkey PRIMARY KEY (store_key),
    CONSTRAINT dim_store_source_system_check CHECK (source_system in ('scalev', 'ktsp')),
    CONSTRAINT dim_store_source_system_source_store_id_key UNIQUE (source_system, source_store_id)
);

COMMENT ON TABLE marts.dim_store IS 'One row per store; names follow the source, a new name is not a new store';

COMMENT ON COLUMN marts.dim_store.store_key IS 'SOURCE|STORE_ID; SOURCE|unknown is the default row';

COMMENT ON COLUMN marts.dim_store.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.dim_store.source_store_id IS 'Scalev store.unique_id, KTSP storeCode, or unknown';

COMMENT ON COLUMN marts.dim_store.display_name IS 'English name, else traditional, else simplified, else the id';

COMMENT ON COLUMN marts.dim_store.name_en IS 'Last English name seen';

COMMENT ON COLUMN marts.dim_store.name_sc IS 'Last simplified Chinese name seen';

COMMENT ON COLUMN marts.dim_store.name_tc IS 'Last traditional Chinese name seen';

COMMENT ON COLUMN marts.dim_store.time_zone IS 'IANA zone in which business dates are taken';

COMMENT ON COLUMN marts.dim_store.default_currency IS 'Currency used where no line names one';

COMMENT ON COLUMN marts.dim_store.first_seen_at IS 'When a page first named the store';

COMMENT ON COLUMN marts.dim_store.last_seen_at IS 'When the row was last brought up to date';

CREATE TABLE marts.discount_by_code (
    source_system TEXT NOT NULL,
    source_account TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    discount_code TEXT NOT NULL,
    orders_recognised INTEGER NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    basis_amount NUMERIC(20, 4) NOT NULL,
    discount_rate NUMERIC(9, 6),
    avg_discount_amount NUMERIC(20, 4),
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    customers INTEGER NOT NULL,
    first_used_date DATE,
    last_used_date DATE,
    new_customer_orders INTEGER NOT NULL,
    aov_net_sales NUMERIC(20, 4),
    orders_lost INTEGER NOT NULL,
    discount_amount_lost NUMERIC(20, 4) NOT NULL,
    redemption_lost_rate NUMERIC(9, 6),
    CONSTRAINT discount_by_code_pkey PRIMARY KEY (source_system, source_account, currency_code, discount_code)
);

COMMENT ON TABLE marts.discount_by_code IS 'Discount codes, over all time';

COMMENT ON COLUMN marts.discount_by_code.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.discount_by_code.source_account IS 'Scalev store_id: the scope of the code';

COMMENT ON COLUMN marts.discount_by_code.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.discount_by_code.discount_code IS 'Code, trimmed, upper case';

COMMENT ON COLUMN marts.discount_by_code.orders_recognised IS 'Recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code.discount_amount IS 'Discount of the code over recognised orders';

COMMENT ON COLUMN marts.discount_by_code.basis_amount IS 'What the discount was taken from, over the same orders';

COMMENT ON COLUMN marts.discount_by_code.discount_rate IS 'Discount / basis';

COMMENT ON COLUMN marts.discount_by_code.avg_discount_amount IS 'Discount / recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code.net_sales_amount IS 'Net sales of the recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code.customers IS 'Customers with such an order';

COMMENT ON COLUMN marts.discount_by_code.first_used_date IS 'Order date of the first recognised order with the code';

COMMENT ON COLUMN marts.discount_by_code.last_used_date IS 'Order date of the last recognised order with the code';

COMMENT ON COLUMN marts.discount_by_code.new_customer_orders IS 'Recognised orders with the code that are a customer''s first';

COMMENT ON COLUMN marts.discount_by_code.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.discount_by_code.orders_lost IS 'Lost orders with the code';

COMMENT ON COLUMN marts.discount_by_code.discount_amount_lost IS 'Discount of the code on lost orders';

COMMENT ON COLUMN marts.discount_by_code.redemption_lost_rate IS 'Lost orders / (recognised + lost orders) with the code';

CREATE TABLE marts.discount_by_code_monthly (
    order_month DATE NOT NULL,
    source_system TEXT NOT NULL,
    source_account TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    discount_code TEXT NOT NULL,
    orders_recognised INTEGER NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    basis_amount NUMERIC(20, 4) NOT NULL,
    discount_rate NUMERIC(9, 6),
    avg_discount_amount NUMERIC(20, 4),
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    customers INTEGER NOT NULL,
    first_used_date DATE,
    last_used_date DATE,
    new_customer_orders INTEGER NOT NULL,
    aov_net_sales NUMERIC(20, 4),
    orders_lost INTEGER NOT NULL,
    discount_amount_lost NUMERIC(20, 4) NOT NULL,
    redemption_lost_rate NUMERIC(9, 6),
    CONSTRAINT discount_by_code_monthly_pkey PRIMARY KEY (order_month, source_system, source_account, currency_code, discount_code)
);

COMMENT ON TABLE marts.discount_by_code_monthly IS 'Discount codes by month';

COMMENT ON COLUMN marts.discount_by_code_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.discount_by_code_monthly.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.discount_by_code_monthly.source_account IS 'Scalev store_id: the scope of the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.discount_by_code_monthly.discount_code IS 'Code, trimmed, upper case';

COMMENT ON COLUMN marts.discount_by_code_monthly.orders_recognised IS 'Recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.discount_amount IS 'Discount of the code over recognised orders';

COMMENT ON COLUMN marts.discount_by_code_monthly.basis_amount IS 'What the discount was taken from, over the same orders';

COMMENT ON COLUMN marts.discount_by_code_monthly.discount_rate IS 'Discount / basis';

COMMENT ON COLUMN marts.discount_by_code_monthly.avg_discount_amount IS 'Discount / recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.net_sales_amount IS 'Net sales of the recognised orders with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.customers IS 'Customers with such an order';

COMMENT ON COLUMN marts.discount_by_code_monthly.first_used_date IS 'Order date of the first recognised order with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.last_used_date IS 'Order date of the last recognised order with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.new_customer_orders IS 'Recognised orders with the code that are a customer''s first';

COMMENT ON COLUMN marts.discount_by_code_monthly.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.discount_by_code_monthly.orders_lost IS 'Lost orders with the code';

COMMENT ON COLUMN marts.discount_by_code_monthly.discount_amount_lost IS 'Discount of the code on lost orders';

COMMENT ON COLUMN marts.discount_by_code_monthly.redemption_lost_rate IS 'Lost orders / (recognised + lost orders) with the code';

CREATE TABLE marts.discount_by_kind_daily (
    order_date DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    discount_kind TEXT NOT NULL,
    orders_recognised INTEGER NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    basis_amount NUMERIC(20, 4) NOT NULL,
    discount_rate NUMERIC(9, 6),
    avg_discount_amount NUMERIC(20, 4),
    share_of_discount NUMERIC(9, 6),
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    customers INTEGER NOT NULL,
    orders_lost INTEGER NOT NULL,
    discount_amount_lost NUMERIC(20, 4) NOT NULL,
    CONSTRAINT discount_by_kind_daily_pkey PRIMARY KEY (order_date, source_system, store_key, currency_code, discount_kind)
);

COMMENT ON TABLE marts.discount_by_kind_daily IS 'Discounts by order date, store, currency and kind';

COMMENT ON COLUMN marts.discount_by_kind_daily.order_date IS 'Local date of the order in the store''s zone';

COMMENT ON COLUMN marts.discount_by_kind_daily.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.discount_by_kind_daily.store_key IS 'Store';

COMMENT ON COLUMN marts.discount_by_kind_daily.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.discount_by_kind_daily.discount_kind IS 'product, code, shipping, unique_code, or order (KTSP)';

COMMENT ON COLUMN marts.discount_by_kind_daily.orders_recognised IS 'Recognised orders that carry the kind';

COMMENT ON COLUMN marts.discount_by_kind_daily.discount_amount IS 'Discount of the kind over recognised orders';

COMMENT ON COLUMN marts.discount_by_kind_daily.basis_amount IS 'What the discount was taken from, over the same orders';

COMMENT ON COLUMN marts.discount_by_kind_daily.discount_rate IS 'Discount / basis';

COMMENT ON COLUMN marts.discount_by_kind_daily.avg_discount_amount IS 'Discount / orders that carry it';

COMMENT ON COLUMN marts.discount_by_kind_daily.share_of_discount IS 'Share of the kind in all discounts of the store, currency and period';

COMMENT ON COLUMN marts.discount_by_kind_daily.net_sales_amount IS 'Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds';

COMMENT ON COLUMN marts.discount_by_kind_daily.customers IS 'Customers with such an order';

COMMENT ON COLUMN marts.discount_by_kind_daily.orders_lost IS 'Lost orders that carried the kind';

COMMENT ON COLUMN marts.discount_by_kind_daily.discount_amount_lost IS 'Discount of the kind on lost orders';

CREATE TABLE marts.discount_by_kind_monthly (
    order_month DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    discount_kind TEXT NOT NULL,
    orders_recognised INTEGER NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    basis_amount NUMERIC(20, 4) NOT NULL,
    discount_rate NUMERIC(9, 6),
    avg_discount_amount NUMERIC(20, 4),
    share_of_discount NUMERIC(9, 6),
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    customers INTEGER NOT NULL,
    orders_lost INTEGER NOT NULL,
    discount_amount_lost NUMERIC(20, 4) NOT NULL,
    CONSTRAINT discount_by_kind_monthly_pkey PRIMARY KEY (order_month, source_system, store_key, currency_code, discount_kind)
);

COMMENT ON TABLE marts.discount_by_kind_monthly IS 'Discounts by month, store, currency and kind';

COMMENT ON COLUMN marts.discount_by_kind_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.discount_by_kind_monthly.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.discount_by_kind_monthly.store_key IS 'Store';

COMMENT ON COLUMN marts.discount_by_kind_monthly.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.discount_by_kind_monthly.discount_kind IS 'product, code, shipping, unique_code, or order (KTSP)';

COMMENT ON COLUMN marts.discount_by_kind_monthly.orders_recognised IS 'Recognised orders that carry the kind';

COMMENT ON COLUMN marts.discount_by_kind_monthly.discount_amount IS 'Discount of the kind over recognised orders';

COMMENT ON COLUMN marts.discount_by_kind_monthly.basis_amount IS 'What the discount was taken from, over the same orders';

COMMENT ON COLUMN marts.discount_by_kind_monthly.discount_rate IS 'Discount / basis';

COMMENT ON COLUMN marts.discount_by_kind_monthly.avg_discount_amount IS 'Discount / orders that carry it';

COMMENT ON COLUMN marts.discount_by_kind_monthly.share_of_discount IS 'Share of the kind in all discounts of the store, currency and period';

COMMENT ON COLUMN marts.discount_by_kind_monthly.net_sales_amount IS 'Net sales of the orders that carry the kind; an order can carry several, so do not add over kinds';

COMMENT ON COLUMN marts.discount_by_kind_monthly.customers IS 'Customers with such an order';

COMMENT ON COLUMN marts.discount_by_kind_monthly.orders_lost IS 'Lost orders that carried the kind';

COMMENT ON COLUMN marts.discount_by_kind_monthly.discount_amount_lost IS 'Discount of the kind on lost orders';

CREATE TABLE marts.lifecycle_monthly (
    order_month DATE NOT NULL,
    store_key TEXT NOT NULL,
    step TEXT NOT NULL,
    payment_family TEXT NOT NULL,
    orders_measured INTEGER NOT NULL,
    orders_negative INTEGER NOT NULL,
    orders_missing INTEGER NOT NULL,
    orders_over_90d INTEGER NOT NULL,
    p50_seconds NUMERIC(14, 1),
    p90_seconds NUMERIC(14, 1),
    p95_seconds NUMERIC(14, 1),
    mean_seconds NUMERIC(14, 1),
    coverage NUMERIC(9, 6),
    CONSTRAINT lifecycle_monthly_pkey PRIMARY KEY (order_month, store_key, step, payment_family),
    CONSTRAINT lifecycle_monthly_payment_family_check CHECK (payment_family in ('cod', 'non_cod', 'all'))
);

COMMENT ON TABLE marts.lifecycle_monthly IS 'How long orders of a month took from status to status; KTSP reports none';

COMMENT ON COLUMN marts.lifecycle_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.lifecycle_monthly.store_key IS 'Store';

COMMENT ON COLUMN marts.lifecycle_monthly.step IS 'From which to which status, e.g. pending_to_paid';

COMMENT ON COLUMN marts.lifecycle_monthly.payment_family IS 'cod, non_cod, or all';

COMMENT ON COLUMN marts.lifecycle_monthly.orders_measured IS 'Orders with both times of the step, in order';

COMMENT ON COLUMN marts.lifecycle_monthly.orders_negative IS 'Orders whose step ends before it begins: left out of the durations';

COMMENT ON COLUMN marts.lifecycle_monthly.orders_missing IS 'Orders whose present state implies the step''s end, but a time is missing or invalid';

COMMENT ON COLUMN marts.lifecycle_monthly.orders_over_90d IS 'Measured orders that took more than 90 days';

COMMENT ON COLUMN marts.lifecycle_monthly.p50_seconds IS 'Median of the measured durations; compute it per group, never average it';

COMMENT ON COLUMN marts.lifecycle_monthly.p90_seconds IS '90th percentile of the measured durations; compute it per group, never average it';

COMMENT ON COLUMN marts.lifecycle_monthly.p95_seconds IS '95th percentile of the measured durations; compute it per group, never average it';

COMMENT ON COLUMN marts.lifecycle_monthly.mean_seconds IS 'Mean of the measured durations';

COMMENT ON COLUMN marts.lifecycle_monthly.coverage IS 'Measured / (measured + negative + missing); below 0.5 read durations with care';

CREATE TABLE marts.product_daily (
    order_date DATE NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    product_key TEXT NOT NULL,
    sku TEXT,
    product_name TEXT,
    orders INTEGER NOT NULL,
    units INTEGER NOT NULL,
    gross_amount NUMERIC(20, 4) NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    avg_unit_price NUMERIC(20, 4),
    units_rts INTEGER NOT NULL,
    rts_unit_rate NUMERIC(9, 6),
    CONSTRAINT product_daily_pkey PRIMARY KEY (order_date, store_key, currency_code, product_key)
);

COMMENT ON TABLE marts.product_daily IS 'Products by order date, store and line currency';

COMMENT ON COLUMN marts.product_daily.order_date IS 'Local date of the order in the store''s zone';

COMMENT ON COLUMN marts.product_daily.store_key IS 'Store';

COMMENT ON COLUMN marts.product_daily.currency_code IS 'Currency of the line, ISO 4217';

COMMENT ON COLUMN marts.product_daily.product_key IS 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:SHA256';

COMMENT ON COLUMN marts.product_daily.sku IS 'Latest SKU of the product in the group';

COMMENT ON COLUMN marts.product_daily.product_name IS 'Latest name of the product in the group';

COMMENT ON COLUMN marts.product_daily.orders IS 'Recognised orders with the product';

COMMENT ON COLUMN marts.product_daily.units IS 'Units in recognised orders';

COMMENT ON COLUMN marts.product_daily.gross_amount IS 'Lines before discounts';

COMMENT ON COLUMN marts.product_daily.discount_amount IS 'Gross less net: the lines'' own discounts and their share of the order''s';

COMMENT ON COLUMN marts.product_daily.net_sales_amount IS 'Net sales of the lines';

COMMENT ON COLUMN marts.product_daily.avg_unit_price IS 'Gross / units';

COMMENT ON COLUMN marts.product_daily.units_rts IS 'Units in orders returned to sender';

COMMENT ON COLUMN marts.product_daily.rts_unit_rate IS 'Units returned / (units recognised + returned)';

CREATE TABLE marts.product_monthly (
    order_month DATE NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    product_key TEXT NOT NULL,
    sku TEXT,
    product_name TEXT,
    orders INTEGER NOT NULL,
    units INTEGER NOT NULL,
    gross_amount NUMERIC(20, 4) NOT NULL,
    discount_amount NUMERIC(20, 4) NOT NULL,
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    avg_unit_price NUMERIC(20, 4),
    units_rts INTEGER NOT NULL,
    rts_unit_rate NUMERIC(9, 6),
    CONSTRAINT product_monthly_pkey PRIMARY KEY (order_month, store_key, currency_code, product_key)
);

COMMENT ON TABLE marts.product_monthly IS 'Products by month, store and line currency';

COMMENT ON COLUMN marts.product_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.product_monthly.store_key IS 'Store';

COMMENT ON COLUMN marts.product_monthly.currency_code IS 'Currency of the line, ISO 4217';

COMMENT ON COLUMN marts.product_monthly.product_key IS 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:SHA256';

COMMENT ON COLUMN marts.product_monthly.sku IS 'Latest SKU of the product in the group';

COMMENT ON COLUMN marts.product_monthly.product_name IS 'Latest name of the product in the group';

COMMENT ON COLUMN marts.product_monthly.orders IS 'Recognised orders with the product';

COMMENT ON COLUMN marts.product_monthly.units IS 'Units in recognised orders';

COMMENT ON COLUMN marts.product_monthly.gross_amount IS 'Lines before discounts';

COMMENT ON COLUMN marts.product_monthly.discount_amount IS 'Gross less net: the lines'' own discounts and their share of the order''s';

COMMENT ON COLUMN marts.product_monthly.net_sales_amount IS 'Net sales of the lines';

COMMENT ON COLUMN marts.product_monthly.avg_unit_price IS 'Gross / units';

COMMENT ON COLUMN marts.product_monthly.units_rts IS 'Units in orders returned to sender';

COMMENT ON COLUMN marts.product_monthly.rts_unit_rate IS 'Units returned / (units recognised + returned)';

CREATE TABLE marts.repeat_rate (
    source_system TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    customers INTEGER NOT NULL,
    repeat_customers INTEGER NOT NULL,
    repeat_rate NUMERIC(9, 6),
    CONSTRAINT repeat_rate_pkey PRIMARY KEY (source_system, currency_code)
);

COMMENT ON TABLE marts.repeat_rate IS 'How many customers bought again, per source and currency';

COMMENT ON COLUMN marts.repeat_rate.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.repeat_rate.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.repeat_rate.customers IS 'Customers with a recognised order';

COMMENT ON COLUMN marts.repeat_rate.repeat_customers IS 'Customers with at least two recognised orders';

COMMENT ON COLUMN marts.repeat_rate.repeat_rate IS 'Customers with two orders / customers with one';

CREATE TABLE marts.revenue_daily (
    order_date DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    orders_total INTEGER NOT NULL,
    orders_placed INTEGER NOT NULL,
    orders_recognised INTEGER NOT NULL,
    orders_open INTEGER NOT NULL,
    orders_lost INTEGER NOT NULL,
    orders_canceled INTEGER,
    orders_rts INTEGER,
    orders_draft INTEGER NOT NULL,
    orders_excluded INTEGER NOT NULL,
    customers_recognised INTEGER NOT NULL,
    orders_new INTEGER NOT NULL,
    orders_returning INTEGER NOT NULL,
    orders_promo_discounted INTEGER NOT NULL,
    gross_sales_amount NUMERIC(20, 4),
    sales_discount_amount NUMERIC(20, 4),
    net_sales_amount NUMERIC(20, 4),
    net_shipping_amount NUMERIC(20, 4),
    other_income_amount NUMERIC(20, 4),
    residual_amount NUMERIC(20, 4),
    original_amount NUMERIC(20, 4),
    discount_amount NUMERIC(20, 4),
    payment_amount NUMERIC(20, 4),
    open_payment_amount NUMERIC(20, 4),
    lost_payment_amount NUMERIC(20, 4),
    aov_net_sales NUMERIC(20, 4),
    avg_payment_amount NUMERIC(20, 4),
    sales_discount_rate NUMERIC(9, 6),
    total_discount_rate NUMERIC(9, 6),
    avg_order_discount_rate NUMERIC(9, 6),
    promo_discounted_order_rate NUMERIC(9, 6),
    cancel_rate NUMERIC(9, 6),
    rts_rate NUMERIC(9, 6),
    rts_share_of_shipped NUMERIC(9, 6),
    computed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    run_id TEXT NOT NULL,
    CONSTRAINT revenue_daily_pkey PRIMARY KEY (order_date, source_system, store_key, currency_code),
    CONSTRAINT revenue_daily_total_check CHECK (orders_total = orders_placed + orders_draft + orders_excluded),
    CONSTRAINT revenue_daily_placed_check CHECK (orders_placed = orders_recognised + orders_open + orders_lost),
    CONSTRAINT revenue_daily_recognised_check CHECK (orders_recognised = orders_new + orders_returning)
);

COMMENT ON TABLE marts.revenue_daily IS 'Revenue by order date, store and currency: observed revenue of the configured customers and members';

COMMENT ON COLUMN marts.revenue_daily.order_date IS 'Local date of the order in the store''s zone';

COMMENT ON COLUMN marts.revenue_daily.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.revenue_daily.store_key IS 'Store';

COMMENT ON COLUMN marts.revenue_daily.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.revenue_daily.orders_total IS 'All orders of the group: placed + draft + excluded';

COMMENT ON COLUMN marts.revenue_daily.orders_placed IS 'Orders placed: recognised + open + lost';

COMMENT ON COLUMN marts.revenue_daily.orders_recognised IS 'Orders that count as revenue under the recognition policy';

COMMENT ON COLUMN marts.revenue_daily.orders_open IS 'Orders neither recognised nor lost yet';

COMMENT ON COLUMN marts.revenue_daily.orders_lost IS 'Orders canceled, returned to sender, or closed unpaid';

COMMENT ON COLUMN marts.revenue_daily.orders_canceled IS 'Lost orders that were canceled';

COMMENT ON COLUMN marts.revenue_daily.orders_rts IS 'Lost orders returned to sender';

COMMENT ON COLUMN marts.revenue_daily.orders_draft IS 'Drafts, not placed';

COMMENT ON COLUMN marts.revenue_daily.orders_excluded IS 'Orders deleted at the source, or money not trusted';

COMMENT ON COLUMN marts.revenue_daily.customers_recognised IS 'Customers with a recognised order; do not add over days';

COMMENT ON COLUMN marts.revenue_daily.orders_new IS 'Recognised orders that are a customer''s first';

COMMENT ON COLUMN marts.revenue_daily.orders_returning IS 'Recognised orders after a customer''s first';

COMMENT ON COLUMN marts.revenue_daily.orders_promo_discounted IS 'Recognised orders with a promotional discount (the unique code is not one)';

COMMENT ON COLUMN marts.revenue_daily.gross_sales_amount IS 'Goods before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.sales_discount_amount IS 'Discounts on goods; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.net_sales_amount IS 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.net_shipping_amount IS 'Shipping charged less shipping discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.other_income_amount IS 'Surcharges paid by the buyer; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.residual_amount IS 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.original_amount IS 'Everything before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.discount_amount IS 'Everything taken off; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.payment_amount IS 'What buyers pay; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily.open_payment_amount IS 'What buyers would pay for open orders';

COMMENT ON COLUMN marts.revenue_daily.lost_payment_amount IS 'What buyers would have paid for lost orders';

COMMENT ON COLUMN marts.revenue_daily.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.revenue_daily.avg_payment_amount IS 'Payment / recognised orders';

COMMENT ON COLUMN marts.revenue_daily.sales_discount_rate IS 'Discounts on goods / gross sales';

COMMENT ON COLUMN marts.revenue_daily.total_discount_rate IS 'All discounts / everything before discounts';

COMMENT ON COLUMN marts.revenue_daily.avg_order_discount_rate IS 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out';

COMMENT ON COLUMN marts.revenue_daily.promo_discounted_order_rate IS 'Orders with a promotional discount / recognised orders';

COMMENT ON COLUMN marts.revenue_daily.cancel_rate IS 'Canceled orders / placed orders';

COMMENT ON COLUMN marts.revenue_daily.rts_rate IS 'Returned orders / (returned + completed physical orders): resolved parcels only';

COMMENT ON COLUMN marts.revenue_daily.rts_share_of_shipped IS 'Returned orders / orders that were shipped';

COMMENT ON COLUMN marts.revenue_daily.computed_at IS 'When the row last changed';

COMMENT ON COLUMN marts.revenue_daily.run_id IS 'Dagster run that last changed the row';

CREATE TABLE marts.revenue_monthly (
    order_month DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    orders_total INTEGER NOT NULL,
    orders_placed INTEGER NOT NULL,
    orders_recognised INTEGER NOT NULL,
    orders_open INTEGER NOT NULL,
    orders_lost INTEGER NOT NULL,
    orders_canceled INTEGER,
    orders_rts INTEGER,
    orders_draft INTEGER NOT NULL,
    orders_excluded INTEGER NOT NULL,
    customers_recognised INTEGER NOT NULL,
    orders_new INTEGER NOT NULL,
    orders_returning INTEGER NOT NULL,
    orders_promo_discounted INTEGER NOT NULL,
    gross_sales_amount NUMERIC(20, 4),
    sales_discount_amount NUMERIC(20, 4),
    net_sales_amount NUMERIC(20, 4),
    net_shipping_amount NUMERIC(20, 4),
    other_income_amount NUMERIC(20, 4),
    residual_amount NUMERIC(20, 4),
    original_amount NUMERIC(20, 4),
    discount_amount NUMERIC(20, 4),
    payment_amount NUMERIC(20, 4),
    open_payment_amount NUMERIC(20, 4),
    lost_payment_amount NUMERIC(20, 4),
    aov_net_sales NUMERIC(20, 4),
    avg_payment_amount NUMERIC(20, 4),
    sales_discount_rate NUMERIC(9, 6),
    total_discount_rate NUMERIC(9, 6),
    avg_order_discount_rate NUMERIC(9, 6),
    promo_discounted_order_rate NUMERIC(9, 6),
    cancel_rate NUMERIC(9, 6),
    rts_rate NUMERIC(9, 6),
    rts_share_of_shipped NUMERIC(9, 6),
    computed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    run_id TEXT NOT NULL,
    CONSTRAINT revenue_monthly_pkey PRIMARY KEY (order_month, source_system, store_key, currency_code),
    CONSTRAINT revenue_monthly_total_check CHECK (orders_total = orders_placed + orders_draft + orders_excluded),
    CONSTRAINT revenue_monthly_placed_check CHECK (orders_placed = orders_recognised + orders_open + orders_lost),
    CONSTRAINT revenue_monthly_recognised_check CHECK (orders_recognised = orders_new + orders_returning)
);

COMMENT ON TABLE marts.revenue_monthly IS 'Revenue by month of the order date, store and currency; customers counted over the month, not added over days';

COMMENT ON COLUMN marts.revenue_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.revenue_monthly.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.revenue_monthly.store_key IS 'Store';

COMMENT ON COLUMN marts.revenue_monthly.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.revenue_monthly.orders_total IS 'All orders of the group: placed + draft + excluded';

COMMENT ON COLUMN marts.revenue_monthly.orders_placed IS 'Orders placed: recognised + open + lost';

COMMENT ON COLUMN marts.revenue_monthly.orders_recognised IS 'Orders that count as revenue under the recognition policy';

COMMENT ON COLUMN marts.revenue_monthly.orders_open IS 'Orders neither recognised nor lost yet';

COMMENT ON COLUMN marts.revenue_monthly.orders_lost IS 'Orders canceled, returned to sender, or closed unpaid';

COMMENT ON COLUMN marts.revenue_monthly.orders_canceled IS 'Lost orders that were canceled';

COMMENT ON COLUMN marts.revenue_monthly.orders_rts IS 'Lost orders returned to sender';

COMMENT ON COLUMN marts.revenue_monthly.orders_draft IS 'Drafts, not placed';

COMMENT ON COLUMN marts.revenue_monthly.orders_excluded IS 'Orders deleted at the source, or money not trusted';

COMMENT ON COLUMN marts.revenue_monthly.customers_recognised IS 'Customers with a recognised order; do not add over days';

COMMENT ON COLUMN marts.revenue_monthly.orders_new IS 'Recognised orders that are a customer''s first';

COMMENT ON COLUMN marts.revenue_monthly.orders_returning IS 'Recognised orders after a customer''s first';

COMMENT ON COLUMN marts.revenue_monthly.orders_promo_discounted IS 'Recognised orders with a promotional discount (the unique code is not one)';

COMMENT ON COLUMN marts.revenue_monthly.gross_sales_amount IS 'Goods before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.sales_discount_amount IS 'Discounts on goods; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.net_sales_amount IS 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.net_shipping_amount IS 'Shipping charged less shipping discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.other_income_amount IS 'Surcharges paid by the buyer; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.residual_amount IS 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.original_amount IS 'Everything before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.discount_amount IS 'Everything taken off; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.payment_amount IS 'What buyers pay; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.open_payment_amount IS 'What buyers would pay for open orders';

COMMENT ON COLUMN marts.revenue_monthly.lost_payment_amount IS 'What buyers would have paid for lost orders';

COMMENT ON COLUMN marts.revenue_monthly.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.avg_payment_amount IS 'Payment / recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.sales_discount_rate IS 'Discounts on goods / gross sales';

COMMENT ON COLUMN marts.revenue_monthly.total_discount_rate IS 'All discounts / everything before discounts';

COMMENT ON COLUMN marts.revenue_monthly.avg_order_discount_rate IS 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out';

COMMENT ON COLUMN marts.revenue_monthly.promo_discounted_order_rate IS 'Orders with a promotional discount / recognised orders';

COMMENT ON COLUMN marts.revenue_monthly.cancel_rate IS 'Canceled orders / placed orders';

COMMENT ON COLUMN marts.revenue_monthly.rts_rate IS 'Returned orders / (returned + completed physical orders): resolved parcels only';

COMMENT ON COLUMN marts.revenue_monthly.rts_share_of_shipped IS 'Returned orders / orders that were shipped';

COMMENT ON COLUMN marts.revenue_monthly.computed_at IS 'When the row last changed';

COMMENT ON COLUMN marts.revenue_monthly.run_id IS 'Dagster run that last changed the row';

CREATE TABLE marts.revenue_movements_daily (
    movement_date DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    recognitions INTEGER NOT NULL,
    reversals INTEGER NOT NULL,
    fallback_dated INTEGER NOT NULL,
    recognised_net_sales_amount NUMERIC(20, 4) NOT NULL,
    reversed_net_sales_amount NUMERIC(20, 4) NOT NULL,
    net_sales_amount NUMERIC(20, 4) NOT NULL,
    recognised_payment_amount NUMERIC(20, 4) NOT NULL,
    reversed_payment_amount NUMERIC(20, 4) NOT NULL,
    payment_amount NUMERIC(20, 4) NOT NULL,
    CONSTRAINT revenue_movements_daily_pkey PRIMARY KEY (movement_date, source_system, store_key, currency_code)
);

COMMENT ON TABLE marts.revenue_movements_daily IS 'Revenue by the date it was recognised (+) or, if a paid order was lost, reversed (-), store and currency';

COMMENT ON COLUMN marts.revenue_movements_daily.movement_date IS 'Local date on which orders became revenue or were lost';

COMMENT ON COLUMN marts.revenue_movements_daily.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.revenue_movements_daily.store_key IS 'Store';

COMMENT ON COLUMN marts.revenue_movements_daily.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.revenue_movements_daily.recognitions IS 'Orders that became revenue on the date';

COMMENT ON COLUMN marts.revenue_movements_daily.reversals IS 'Paid orders that were lost on the date';

COMMENT ON COLUMN marts.revenue_movements_daily.fallback_dated IS 'Movements without a date of their own, dated by the order or (reversals) its last update';

COMMENT ON COLUMN marts.revenue_movements_daily.recognised_net_sales_amount IS 'Net sales of the recognitions';

COMMENT ON COLUMN marts.revenue_movements_daily.reversed_net_sales_amount IS 'Net sales of the reversals, positive';

COMMENT ON COLUMN marts.revenue_movements_daily.net_sales_amount IS 'Net sales recognised less reversed';

COMMENT ON COLUMN marts.revenue_movements_daily.recognised_payment_amount IS 'Payment of the recognitions';

COMMENT ON COLUMN marts.revenue_movements_daily.reversed_payment_amount IS 'Payment of the reversals, positive';

COMMENT ON COLUMN marts.revenue_movements_daily.payment_amount IS 'Payment recognised less reversed';

CREATE TABLE marts.status_funnel_monthly (
    order_month DATE NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    order_state TEXT NOT NULL,
    orders INTEGER NOT NULL,
    payment_amount NUMERIC(20, 4),
    CONSTRAINT status_funnel_monthly_pkey PRIMARY KEY (order_month, store_key, currency_code, order_state)
);

COMMENT ON TABLE marts.status_funnel_monthly IS 'Where the orders of a month are now: the backlog; orders deleted at the source are left out';

COMMENT ON COLUMN marts.status_funnel_monthly.order_month IS 'First day of the month of the order date';

COMMENT ON COLUMN marts.status_funnel_monthly.store_key IS 'Store';

COMMENT ON COLUMN marts.status_funnel_monthly.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.status_funnel_monthly.order_state IS 'Canonical lifecycle state';

COMMENT ON COLUMN marts.status_funnel_monthly.orders IS 'Orders that are in the state now';

COMMENT ON COLUMN marts.status_funnel_monthly.payment_amount IS 'What their buyers pay';

CREATE TABLE ops.accounts (
    source_system TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    account_number BIGINT GENERATED ALWAYS AS IDENTITY,
    source_account TEXT NOT NULL,
    display_name TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    currency CHAR(3) NOT NULL,
    state TEXT NOT NULL,
    origin TEXT NOT NULL,
    customer_key TEXT,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    retired_by TEXT,
    CONSTRAINT accounts_pkey PRIMARY KEY (source_system, partition_key),
    CONSTRAINT accounts_source_system_check CHECK (source_system in ('scalev', 'ktsp')),
    CONSTRAINT accounts_state_check CHECK (state in ('active', 'needs_sign_in', 'not_found', 'retired'))
);

COMMENT ON TABLE ops.accounts IS 'One row per credential: a customer of a Scalev store, a member of a KTSP programme';

COMMENT ON COLUMN ops.accounts.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.accounts.partition_key IS 'STORE_ID/NAME or PROGRAMME/MEMBER_ID';

COMMENT ON COLUMN ops.accounts.account_number IS 'Grows in the order in which accounts were first configured';

COMMENT ON COLUMN ops.accounts.source_account IS 'Store or programme: the scope of order ids';

COMMENT ON COLUMN ops.accounts.display_name IS 'Name for people; no personal data';

COMMENT ON COLUMN ops.accounts.time_zone IS 'IANA zone in which business dates are taken';

COMMENT ON COLUMN ops.accounts.currency IS 'ISO 4217, used where the source names none';

COMMENT ON COLUMN ops.accounts.state IS 'active, needs_sign_in, not_found or retired';

COMMENT ON COLUMN ops.accounts.origin IS 'Where the account was configured: file, sandbox or import';

COMMENT ON COLUMN ops.accounts.customer_key IS 'Pseudonym of the person, once an order named it';

COMMENT ON COLUMN ops.accounts.added_at IS 'When the account was first configured';

COMMENT ON COLUMN ops.accounts.retired_at IS 'When the account was retired';

COMMENT ON COLUMN ops.accounts.retired_by IS 'file: it left the configuration, and comes back with it; command: by a person';

CREATE TABLE ops.api_leases (
    host TEXT NOT NULL,
    session_id BIGINT NOT NULL,
    places INTEGER NOT NULL,
    CONSTRAINT api_leases_pkey PRIMARY KEY (host, session_id)
);

COMMENT ON TABLE ops.api_leases IS 'Who may have how many requests in flight; a lease ends with its process';

COMMENT ON COLUMN ops.api_leases.host IS 'Address of the API';

COMMENT ON COLUMN ops.api_leases.session_id IS 'Crawling process; it holds an advisory lock';

COMMENT ON COLUMN ops.api_leases.places IS 'Requests it may have in flight';

CREATE TABLE ops.api_pace (
    host TEXT NOT NULL,
    next_start TIMESTAMP WITH TIME ZONE NOT NULL,
    blocked_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT api_pace_pkey PRIMARY KEY (host)
);

COMMENT ON TABLE ops.api_pace IS 'Pace of requests per API, shared by all processes';

COMMENT ON COLUMN ops.api_pace.host IS 'Address of the API';

COMMENT ON COLUMN ops.api_pace.next_start IS 'When the next request may start';

COMMENT ON COLUMN ops.api_pace.blocked_until IS 'The API asked all of us to wait until then';

CREATE TABLE ops.as_of (
    is_only_row BOOLEAN NOT NULL,
    as_of_date DATE NOT NULL,
    run_id TEXT NOT NULL,
    CONSTRAINT as_of_pkey PRIMARY KEY (is_only_row),
    CONSTRAINT as_of_is_only_row_check CHECK (is_only_row)
);

COMMENT ON TABLE ops.as_of IS 'The date of the last run of the summaries; an input of the run, never the database''s clock';

COMMENT ON COLUMN ops.as_of.is_only_row IS 'True: the table has one row at most';

COMMENT ON COLUMN ops.as_of.as_of_date IS 'Date at which ages are taken and calendars end';

COMMENT ON COLUMN ops.as_of.run_id IS 'Dagster run that set it';

CREATE TABLE ops.credentials (
    source_system TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    configured_sha256 TEXT NOT NULL,
    imported BYTEA,
    access_token BYTEA,
    refresh_token BYTEA,
    access_expires_at TIMESTAMP WITH TIME ZONE,
    renewed_at TIMESTAMP WITH TIME ZONE,
    refresh_sent_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT credentials_pkey PRIMARY KEY (source_system, partition_key)
);

COMMENT ON TABLE ops.credentials IS 'Tokens that were imported, or renewed by us and so newer than the configured ones';

COMMENT ON COLUMN ops.credentials.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.credentials.partition_key IS 'STORE_ID/NAME or PROGRAMME/MEMBER_ID';

COMMENT ON COLUMN ops.credentials.configured_sha256 IS 'Fingerprint of the configured or imported token that the current ones descend from';

COMMENT ON COLUMN ops.credentials.imported IS 'Credential as imported, encrypted JSON; NULL: it is in the file';

COMMENT ON COLUMN ops.credentials.access_token IS 'Current access token, encrypted; NULL: as configured';

COMMENT ON COLUMN ops.credentials.refresh_token IS 'Current single-use refresh token, encrypted';

COMMENT ON COLUMN ops.credentials.access_expires_at IS 'End of life of the access token';

COMMENT ON COLUMN ops.credentials.renewed_at IS 'When the tokens were renewed';

COMMENT ON COLUMN ops.credentials.refresh_sent_at IS 'When a refresh was sent whose answer never arrived: the token is spent';

CREATE TABLE ops.installation (
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (name)
);

COMMENT ON TABLE ops.installation IS 'Keys (as fingerprints) and rules of the installation that fills this database';

COMMENT ON COLUMN ops.installation.name IS 'hmac_key_sha256 or rules';

COMMENT ON COLUMN ops.installation.value IS 'What the database was first filled with';

CREATE TABLE ops.page_keys (
    source_system TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    wrapped_key BYTEA NOT NULL,
    CONSTRAINT page_keys_pkey PRIMARY KEY (source_system, partition_key)
);

COMMENT ON TABLE ops.page_keys IS 'One data key per account; deleting it makes the account''s pages unreadable';

COMMENT ON COLUMN ops.page_keys.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.page_keys.partition_key IS 'STORE_ID/NAME or PROGRAMME/MEMBER_ID';

COMMENT ON COLUMN ops.page_keys.wrapped_key IS 'Data key of the account''s pages, encrypted by the configured key';

CREATE TABLE ops.restatements (
    restatement_id BIGINT GENERATED ALWAYS AS IDENTITY,
    period DATE NOT NULL,
    source_system TEXT NOT NULL,
    store_key TEXT NOT NULL,
    currency_code CHAR(3) NOT NULL,
    metric TEXT NOT NULL,
    old_value NUMERIC(20, 4) NOT NULL,
    new_value NUMERIC(20, 4) NOT NULL,
    order_count INTEGER NOT NULL,
    order_keys TEXT[] NOT NULL,
    detected_at TIMESTAMP WITH TIME ZONE NOT NULL,
    crawl_id BIGINT,
    CONSTRAINT restatements_pkey PRIMARY KEY (restatement_id)
);

CREATE INDEX restatements_detected_at_idx ON ops.restatements (detected_at);

COMMENT ON TABLE ops.restatements IS 'Changes of months that were published already, i.e. had rows in the summaries';

COMMENT ON COLUMN ops.restatements.restatement_id IS 'Grows with each entry';

COMMENT ON COLUMN ops.restatements.period IS 'First day of the month of the order date';

COMMENT ON COLUMN ops.restatements.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.restatements.store_key IS 'Store';

COMMENT ON COLUMN ops.restatements.currency_code IS 'ISO 4217';

COMMENT ON COLUMN ops.restatements.metric IS 'Which sum changed: net_sales_amount, payment_amount, discount_amount or orders_recognised';

COMMENT ON COLUMN ops.restatements.old_value IS 'Sum of the month before; an amount in currency_code, or a number of orders';

COMMENT ON COLUMN ops.restatements.new_value IS 'Sum of the month after';

COMMENT ON COLUMN ops.restatements.order_count IS 'How many orders did it';

COMMENT ON COLUMN ops.restatements.order_keys IS 'Which orders did it, those with the largest part first; 20 at most';

COMMENT ON COLUMN ops.restatements.detected_at IS 'When the facts changed';

COMMENT ON COLUMN ops.restatements.crawl_id IS 'Crawl that brought the change; NULL: the facts were replayed';

CREATE TABLE ops.sources (
    source_system TEXT NOT NULL,
    source_account TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    currency CHAR(3) NOT NULL,
    base_url TEXT,
    secrets BYTEA,
    CONSTRAINT sources_pkey PRIMARY KEY (source_system, source_account)
);

COMMENT ON TABLE ops.sources IS 'Stores and programmes that were imported; those of the accounts file come from there';

COMMENT ON COLUMN ops.sources.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.sources.source_account IS 'Store or programme';

COMMENT ON COLUMN ops.sources.time_zone IS 'IANA zone in which business dates are taken';

COMMENT ON COLUMN ops.sources.currency IS 'ISO 4217, used where the source names none';

COMMENT ON COLUMN ops.sources.base_url IS 'Where the API answers; NULL: as the accounts file says';

COMMENT ON COLUMN ops.sources.secrets IS 'Keys of the store or programme as imported, encrypted JSON';

CREATE TABLE ops.summarised_months (
    table_name TEXT NOT NULL,
    order_month DATE NOT NULL,
    change_number BIGINT NOT NULL,
    CONSTRAINT summarised_months_pkey PRIMARY KEY (table_name, order_month)
);

COMMENT ON TABLE ops.summarised_months IS 'How far each monthly summary has followed the facts';

COMMENT ON COLUMN ops.summarised_months.table_name IS 'Summary in schema marts';

COMMENT ON COLUMN ops.summarised_months.order_month IS 'First day of the month';

COMMENT ON COLUMN ops.summarised_months.change_number IS 'Change of the facts up to which the month is summarised';

CREATE TABLE ops.summarised_tables (
    table_name TEXT NOT NULL,
    change_number BIGINT NOT NULL,
    as_of_date DATE NOT NULL,
    CONSTRAINT summarised_tables_pkey PRIMARY KEY (table_name)
);

COMMENT ON TABLE ops.summarised_tables IS 'How far each summary that is computed whole has followed the facts';

COMMENT ON COLUMN ops.summarised_tables.table_name IS 'Summary in schema marts';

COMMENT ON COLUMN ops.summarised_tables.change_number IS 'Change of the facts up to which the table is summarised';

COMMENT ON COLUMN ops.summarised_tables.as_of_date IS 'Date at which the table was taken';

CREATE TABLE ops.touched_months (
    order_month DATE NOT NULL,
    change_number BIGINT NOT NULL,
    touched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT touched_months_pkey PRIMARY KEY (order_month)
);

COMMENT ON TABLE ops.touched_months IS 'Months whose facts changed; a summary is stale while its own number is lower';

COMMENT ON COLUMN ops.touched_months.order_month IS 'First day of the month';

COMMENT ON COLUMN ops.touched_months.change_number IS 'Grows with every load that changed an order of the month';

COMMENT ON COLUMN ops.touched_months.touched_at IS 'When that was';

CREATE TABLE ops.unknown_fields (
    source_system TEXT NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    occurrences BIGINT NOT NULL,
    first_crawl_id BIGINT NOT NULL,
    last_crawl_id BIGINT NOT NULL,
    CONSTRAINT unknown_fields_pkey PRIMARY KEY (source_system, field, value)
);

COMMENT ON TABLE ops.unknown_fields IS 'What the APIs send beyond their documents; the values are in the raw pages alone';

COMMENT ON COLUMN ops.unknown_fields.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.unknown_fields.field IS 'Path of the field within an order';

COMMENT ON COLUMN ops.unknown_fields.value IS 'Undocumented value of a documented field, else empty';

COMMENT ON COLUMN ops.unknown_fields.occurrences IS 'How often it came, in all pages that were loaded';

COMMENT ON COLUMN ops.unknown_fields.first_crawl_id IS 'Crawl that brought it first';

COMMENT ON COLUMN ops.unknown_fields.last_crawl_id IS 'Crawl that brought it last';

CREATE TABLE marts.order_facts (
    order_key TEXT NOT NULL,
    source_system TEXT NOT NULL,
    source_account TEXT NOT NULL,
    source_order_id TEXT NOT NULL,
    source_order_uuid TEXT,
    store_key TEXT NOT NULL,
    customer_key TEXT NOT NULL,
    source_status TEXT,
    source_payment_status TEXT,
    source_shipment_status TEXT,
    source_awb_status TEXT,
    order_state TEXT NOT NULL,
    payment_state TEXT NOT NULL,
    state_source TEXT NOT NULL,
    recognition_state TEXT NOT NULL,
    lost_kind TEXT,
    is_money_reportable BOOLEAN NOT NULL,
    is_deleted_at_source BOOLEAN DEFAULT false NOT NULL,
    excluded_reason TEXT,
    revenue_class TEXT GENERATED ALWAYS AS (case when is_deleted_at_source or not is_money_reportable then 'excluded' else recognition_state end) STORED NOT NULL,
    payment_method TEXT,
    sub_payment_method TEXT,
    is_cod BOOLEAN,
    is_dropship BOOLEAN,
    is_physical BOOLEAN,
    courier_code TEXT,
    courier_service_code TEXT,
    ship_province TEXT,
    ship_city TEXT,
    discount_code TEXT,
    discount_code_applied_to TEXT,
    other_income_name TEXT,
    currency_code CHAR(3) NOT NULL,
    currency_source TEXT NOT NULL,
    gross_sales_amount NUMERIC(20, 4),
    sales_discount_amount NUMERIC(20, 4),
    net_sales_amount NUMERIC(20, 4),
    shipping_charged_amount NUMERIC(20, 4),
    shipping_discount_amount NUMERIC(20, 4),
    net_shipping_amount NUMERIC(20, 4),
    other_income_amount NUMERIC(20, 4),
    original_amount NUMERIC(20, 4),
    discount_amount NUMERIC(20, 4),
    payment_amount NUMERIC(20, 4),
    residual_amount NUMERIC(20, 4),
    promo_discount_amount NUMERIC(20, 4),
    technical_discount_amount NUMERIC(20, 4),
    src_product_price NUMERIC(20, 4),
    src_product_discount NUMERIC(20, 4),
    src_discount_code_discount NUMERIC(20, 4),
    src_unique_code_discount NUMERIC(20, 4),
    src_shipping_cost NUMERIC(20, 4),
    src_shipping_discount NUMERIC(20, 4),
    src_other_income NUMERIC(20, 4),
    src_gross_revenue NUMERIC(20, 4),
    src_gross_revenue_dropshipper NUMERIC(20, 4),
    src_discount_rate TEXT,
    null_components TEXT[] DEFAULT '{}' NOT NULL,
    line_count INTEGER,
    total_quantity INTEGER,
    src_total_quantity INTEGER,
    total_weight NUMERIC(14, 3),
    ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ordered_at_source TEXT NOT NULL,
    store_time_zone TEXT NOT NULL,
    order_date DATE NOT NULL,
    recognised_at TIMESTAMP WITH TIME ZONE,
    recognised_at_source TEXT,
    recognised_date DATE,
    lost_at TIMESTAMP WITH TIME ZONE,
    lost_date DATE,
    customer_order_seq INTEGER,
    anomaly_codes TEXT[] DEFAULT '{}' NOT NULL,
    source_updated_at TIMESTAMP WITH TIME ZONE,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    payload_sha256 CHAR(64) NOT NULL,
    run_id TEXT NOT NULL,
    CONSTRAINT order_facts_pkey PRIMARY KEY (order_key),
    CONSTRAINT order_facts_source_system_source_account_source_order_id_key UNIQUE (source_system, source_account, source_order_id),
    CONSTRAINT order_facts_source_system_check CHECK (source_system in ('scalev', 'ktsp')),
    CONSTRAINT order_facts_order_state_check CHECK (order_state in ('draft', 'open', 'processing', 'shipped', 'completed', 'returned', 'canceled', 'closed', 'unknown')),
    CONSTRAINT order_facts_payment_state_check CHECK (payment_state in ('unpaid', 'paid', 'settled', 'conflict', 'unknown', 'assumed_paid')),
    CONSTRAINT order_facts_state_source_check CHECK (state_source in ('source', 'assumed')),
    CONSTRAINT order_facts_recognition_state_check CHECK (recognition_state in ('draft', 'open', 'recognised', 'lost')),
    CONSTRAINT order_facts_lost_kind_check CHECK (lost_kind in ('canceled', 'rts', 'closed_unpaid')),
    CONSTRAINT order_facts_excluded_reason_check CHECK (excluded_reason in ('deleted', 'mixed_currency', 'bad_currency', 'bad_amount')),
    CONSTRAINT order_facts_currency_source_check CHECK (currency_source in ('lines', 'store_default', 'account_config', 'mixed', 'invalid')),
    CONSTRAINT order_facts_ordered_at_source_check CHECK (ordered_at_source in ('created_at', 'draft_time', 'pending_time', 'earliest_time', 'orderTime', 'first_seen')),
    CONSTRAINT order_facts_currency_code_check CHECK (currency_code ~ '^[A-Z]{3}$'),
    CONSTRAINT order_facts_reportable_reason_check CHECK (is_money_reportable = (excluded_reason is null or excluded_reason = 'deleted')),
    CONSTRAINT order_facts_reportable_net_sales_check CHECK (is_money_reportable = (net_sales_amount is not null)),
    CONSTRAINT order_facts_reportable_payment_check CHECK (is_money_reportable = (payment_amount is not null)),
    CONSTRAINT order_facts_net_sales_check CHECK (net_sales_amount = gross_sales_amount - sales_discount_amount),
    CONSTRAINT order_facts_net_shipping_check CHECK (net_shipping_amount = shipping_charged_amount - shipping_discount_amount),
    CONSTRAINT order_facts_conformed_triple_check CHECK (residual_amount = payment_amount - (original_amount - discount_amount)),
    CONSTRAINT order_facts_ladder_check CHECK (net_sales_amount + coalesce(net_shipping_amount, 0) + coalesce(other_income_amount, 0) + residual_amount = payment_amount),
    CONSTRAINT order_facts_discount_classes_check CHECK (discount_amount = promo_discount_amount + technical_discount_amount),
    CONSTRAINT order_facts_lost_has_kind_check CHECK ((recognition_state = 'lost') = (lost_kind is not null)),
    CONSTRAINT order_facts_no_currency_no_money_check CHECK (currency_code <> 'XXX' or not is_money_reportable),
    CONSTRAINT order_facts_store_key_fkey FOREIGN KEY(store_key) REFERENCES marts.dim_store (store_key),
    CONSTRAINT order_facts_customer_key_fkey FOREIGN KEY(customer_key) REFERENCES marts.dim_customer (customer_key)
);

CREATE INDEX order_facts_customer_key_ordered_at_idx ON marts.order_facts (customer_key, ordered_at);

CREATE INDEX order_facts_order_date_store_key_currency_code_idx ON marts.order_facts (order_date, store_key, currency_code);

CREATE INDEX order_facts_recognised_date_idx ON marts.order_facts (recognised_date);

COMMENT ON TABLE marts.order_facts IS 'One row per source order, current state. Money of different currencies must not be added';

COMMENT ON COLUMN marts.order_facts.order_key IS 'hex(sha256(source_system|source_account|source_order_id))';

COMMENT ON COLUMN marts.order_facts.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.order_facts.source_account IS 'Scalev store_id or KTSP programme: the scope of the order''s id';

COMMENT ON COLUMN marts.order_facts.source_order_id IS 'Scalev order_id, KTSP orderCode';

COMMENT ON COLUMN marts.order_facts.source_order_uuid IS 'Scalev id, for cross-reference';

COMMENT ON COLUMN marts.order_facts.store_key IS 'Store; ktsp|unknown where the source names none';

COMMENT ON COLUMN marts.order_facts.customer_key IS 'Customer or member, as a pseudonym';

COMMENT ON COLUMN marts.order_facts.source_status IS 'Order status as sent, lower case';

COMMENT ON COLUMN marts.order_facts.source_payment_status IS 'Payment status as sent, lower case';

COMMENT ON COLUMN marts.order_facts.source_shipment_status IS 'Shipment status as sent, lower case';

COMMENT ON COLUMN marts.order_facts.source_awb_status IS 'Air waybill status as sent, lower case';

COMMENT ON COLUMN marts.order_facts.order_state IS 'Canonical lifecycle state';

COMMENT ON COLUMN marts.order_facts.payment_state IS 'Canonical payment state';

COMMENT ON COLUMN marts.order_facts.state_source IS 'source, or assumed where the source reports no status (KTSP)';

COMMENT ON COLUMN marts.order_facts.recognition_state IS 'draft, open, recognised or lost under the recognition policy';

COMMENT ON COLUMN marts.order_facts.lost_kind IS 'Why a lost order is lost';

COMMENT ON COLUMN marts.order_facts.is_money_reportable IS 'False if currency or a core amount cannot be trusted';

COMMENT ON COLUMN marts.order_facts.is_deleted_at_source IS 'A complete, unsuspicious crawl of the account did not see the order any more';

COMMENT ON COLUMN marts.order_facts.excluded_reason IS 'Why the order is left out of money sums';

COMMENT ON COLUMN marts.order_facts.revenue_class IS 'recognised, open, lost, draft or excluded: exactly one';

COMMENT ON COLUMN marts.order_facts.payment_method IS 'Payment method as sent, lower case';

COMMENT ON COLUMN marts.order_facts.sub_payment_method IS 'Second payment method field of older answers';

COMMENT ON COLUMN marts.order_facts.is_cod IS 'Paid on delivery';

COMMENT ON COLUMN marts.order_facts.is_dropship IS 'Dropship order';

COMMENT ON COLUMN marts.order_facts.is_physical IS 'Has a courier or was shipped; denominator of the return rate';

COMMENT ON COLUMN marts.order_facts.courier_code IS 'Courier company';

COMMENT ON COLUMN marts.order_facts.courier_service_code IS 'Courier service level';

COMMENT ON COLUMN marts.order_facts.ship_province IS 'Province of the destination; NULL unless switched on';

COMMENT ON COLUMN marts.order_facts.ship_city IS 'City of the destination; NULL unless switched on';

COMMENT ON COLUMN marts.order_facts.discount_code IS 'Discount code, trimmed, upper case';

COMMENT ON COLUMN marts.order_facts.discount_code_applied_to IS 'What the code''s discount was taken from, as sent';

COMMENT ON COLUMN marts.order_facts.other_income_name IS 'Label of the surcharge';

COMMENT ON COLUMN marts.order_facts.currency_code IS 'ISO 4217; XXX where it is mixed or invalid';

COMMENT ON COLUMN marts.order_facts.currency_source IS 'Where the currency comes from';

COMMENT ON COLUMN marts.order_facts.gross_sales_amount IS 'Goods before discounts; in currency_code';

COMMENT ON COLUMN marts.order_facts.sales_discount_amount IS 'Discounts on goods; in currency_code';

COMMENT ON COLUMN marts.order_facts.net_sales_amount IS 'Gross sales less discounts on goods; in currency_code';

COMMENT ON COLUMN marts.order_facts.shipping_charged_amount IS 'Shipping before discounts; NULL for KTSP; in currency_code';

COMMENT ON COLUMN marts.order_facts.shipping_discount_amount IS 'Discounts on shipping; NULL for KTSP; in currency_code';

COMMENT ON COLUMN marts.order_facts.net_shipping_amount IS 'Shipping charged less its discounts; NULL for KTSP; in currency_code';

COMMENT ON COLUMN marts.order_facts.other_income_amount IS 'Surcharge paid by the buyer; NULL for KTSP; in currency_code';

COMMENT ON COLUMN marts.order_facts.original_amount IS 'Everything before discounts; in currency_code';

COMMENT ON COLUMN marts.order_facts.discount_amount IS 'Everything taken off; in currency_code';

COMMENT ON COLUMN marts.order_facts.payment_amount IS 'What the buyer pays; in currency_code';

COMMENT ON COLUMN marts.order_facts.residual_amount IS 'payment - (original - discount): what the source does not explain; in currency_code';

COMMENT ON COLUMN marts.order_facts.promo_discount_amount IS 'Discounts a marketer gave; in currency_code';

COMMENT ON COLUMN marts.order_facts.technical_discount_amount IS 'The unique code that makes a bank transfer recognisable; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_product_price IS 'Source field product_price as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_product_discount IS 'Source field product_discount as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_discount_code_discount IS 'Source field discount_code_discount as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_unique_code_discount IS 'Source field unique_code_discount as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_shipping_cost IS 'Source field shipping_cost as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_shipping_discount IS 'Source field shipping_discount as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_other_income IS 'Source field other_income as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_gross_revenue IS 'Source field gross_revenue as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_gross_revenue_dropshipper IS 'Source field gross_revenue_dropshipper as sent, also where the measures are NULL; in currency_code';

COMMENT ON COLUMN marts.order_facts.src_discount_rate IS 'Source field discount_rate as sent; its basis is undocumented';

COMMENT ON COLUMN marts.order_facts.null_components IS 'Source amounts that were absent or null and count as 0';

COMMENT ON COLUMN marts.order_facts.line_count IS 'Number of order lines';

COMMENT ON COLUMN marts.order_facts.total_quantity IS 'Sum of line quantities';

COMMENT ON COLUMN marts.order_facts.src_total_quantity IS 'Source field total_quantity';

COMMENT ON COLUMN marts.order_facts.total_weight IS 'Source field total_weight, grams';

COMMENT ON COLUMN marts.order_facts.ordered_at IS 'When the order was placed (UTC)';

COMMENT ON COLUMN marts.order_facts.ordered_at_source IS 'Which source field ordered_at comes from';

COMMENT ON COLUMN marts.order_facts.store_time_zone IS 'IANA zone in which the dates of this row are taken';

COMMENT ON COLUMN marts.order_facts.order_date IS 'Local date of ordered_at in store_time_zone';

COMMENT ON COLUMN marts.order_facts.recognised_at IS 'When the order became revenue (UTC)';

COMMENT ON COLUMN marts.order_facts.recognised_at_source IS 'Which source field recognised_at comes from';

COMMENT ON COLUMN marts.order_facts.recognised_date IS 'Local date of recognised_at';

COMMENT ON COLUMN marts.order_facts.lost_at IS 'When the order was lost (UTC)';

COMMENT ON COLUMN marts.order_facts.lost_date IS 'Local date of lost_at';

COMMENT ON COLUMN marts.order_facts.customer_order_seq IS 'Rank among the customer''s recognised orders in this currency, from 1';

COMMENT ON COLUMN marts.order_facts.anomaly_codes IS 'What is odd about the row (model.md 1.7)';

COMMENT ON COLUMN marts.order_facts.source_updated_at IS 'When the source last changed the order, if it says so';

COMMENT ON COLUMN marts.order_facts.first_seen_at IS 'When the order was first fetched';

COMMENT ON COLUMN marts.order_facts.last_seen_at IS 'When the version in this row was last fetched and loaded';

COMMENT ON COLUMN marts.order_facts.last_changed_at IS 'When the row last changed';

COMMENT ON COLUMN marts.order_facts.payload_sha256 IS 'Fingerprint of the order''s canonical JSON without personal data';

COMMENT ON COLUMN marts.order_facts.run_id IS 'Dagster run that wrote the row';

CREATE TABLE ops.crawls (
    crawl_id BIGINT GENERATED ALWAYS AS IDENTITY,
    source_system TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    mode TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    status TEXT NOT NULL,
    reason TEXT,
    reason_words TEXT,
    requests BIGINT DEFAULT '0' NOT NULL,
    pages BIGINT DEFAULT '0' NOT NULL,
    orders_seen BIGINT DEFAULT '0' NOT NULL,
    orders_new BIGINT DEFAULT '0' NOT NULL,
    orders_changed BIGINT DEFAULT '0' NOT NULL,
    duplicates BIGINT DEFAULT '0' NOT NULL,
    bytes BIGINT DEFAULT '0' NOT NULL,
    requests_saved BIGINT DEFAULT '0' NOT NULL,
    orders_vanished BIGINT DEFAULT '0' NOT NULL,
    is_newest_first BOOLEAN,
    resume_at TIMESTAMP WITH TIME ZONE,
    run_id TEXT NOT NULL,
    loaded_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT crawls_pkey PRIMARY KEY (crawl_id),
    CONSTRAINT crawls_source_system_fkey FOREIGN KEY(source_system, partition_key) REFERENCES ops.accounts (source_system, partition_key),
    CONSTRAINT crawls_mode_check CHECK (mode in ('full', 'head')),
    CONSTRAINT crawls_status_check CHECK (status in ('running', 'complete', 'incomplete', 'failed', 'parked'))
);

CREATE INDEX crawls_not_loaded_idx ON ops.crawls (crawl_id) WHERE loaded_at is null;

CREATE INDEX crawls_source_system_partition_key_crawl_id_idx ON ops.crawls (source_system, partition_key, crawl_id);

COMMENT ON TABLE ops.crawls IS 'One row per crawl of one account, with its verdict';

COMMENT ON COLUMN ops.crawls.crawl_id IS 'Number of the crawl';

COMMENT ON COLUMN ops.crawls.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.crawls.partition_key IS 'The account';

COMMENT ON COLUMN ops.crawls.mode IS 'full: every page was asked for; head: down to where everything older is known and final';

COMMENT ON COLUMN ops.crawls.started_at IS 'When the first request was sent';

COMMENT ON COLUMN ops.crawls.finished_at IS 'When the verdict was reached';

COMMENT ON COLUMN ops.crawls.status IS 'running, complete, incomplete, failed or parked';

COMMENT ON COLUMN ops.crawls.reason IS 'Stable reason code, ok if complete';

COMMENT ON COLUMN ops.crawls.reason_words IS 'The reason in words';

COMMENT ON COLUMN ops.crawls.requests IS 'Requests sent, retries and token calls included';

COMMENT ON COLUMN ops.crawls.pages IS 'Pages received';

COMMENT ON COLUMN ops.crawls.orders_seen IS 'Distinct orders on the pages';

COMMENT ON COLUMN ops.crawls.orders_new IS 'Orders that were not in the facts before';

COMMENT ON COLUMN ops.crawls.orders_changed IS 'Orders that differ from the facts before';

COMMENT ON COLUMN ops.crawls.duplicates IS 'Orders seen again within the crawl';

COMMENT ON COLUMN ops.crawls.bytes IS 'Bytes received, as compressed by the server';

COMMENT ON COLUMN ops.crawls.requests_saved IS 'Pages that a head crawl did not have to ask for, by the last full crawl';

COMMENT ON COLUMN ops.crawls.orders_vanished IS 'Orders known before that a complete history no longer holds';

COMMENT ON COLUMN ops.crawls.is_newest_first IS 'Whether the orders came newest first, as far as was seen';

COMMENT ON COLUMN ops.crawls.resume_at IS 'Parked: not to be asked again before';

COMMENT ON COLUMN ops.crawls.run_id IS 'Dagster run that crawled';

COMMENT ON COLUMN ops.crawls.loaded_at IS 'When the pages went into the facts; NULL while they have not';

CREATE TABLE marts.discount_facts (
    order_key TEXT NOT NULL,
    discount_kind TEXT NOT NULL,
    discount_class TEXT NOT NULL,
    discount_code TEXT,
    discount_code_raw TEXT,
    applied_to TEXT,
    currency_code CHAR(3) NOT NULL,
    amount NUMERIC(20, 4) NOT NULL,
    basis_amount NUMERIC(20, 4) NOT NULL,
    CONSTRAINT discount_facts_pkey PRIMARY KEY (order_key, discount_kind),
    CONSTRAINT discount_facts_discount_kind_check CHECK (discount_kind in ('product', 'code', 'shipping', 'unique_code', 'order')),
    CONSTRAINT discount_facts_discount_class_check CHECK (discount_class in ('promotional', 'technical', 'unknown')),
    CONSTRAINT discount_facts_amount_check CHECK (amount <> 0),
    CONSTRAINT discount_facts_order_key_fkey FOREIGN KEY(order_key) REFERENCES marts.order_facts (order_key) ON DELETE CASCADE
);

COMMENT ON TABLE marts.discount_facts IS 'One row per order and kind of discount that is not zero; they add up to order_facts.discount_amount';

COMMENT ON COLUMN marts.discount_facts.order_key IS 'The order';

COMMENT ON COLUMN marts.discount_facts.discount_kind IS 'product, code, shipping, unique_code, or order (KTSP)';

COMMENT ON COLUMN marts.discount_facts.discount_class IS 'promotional, technical (unique code) or unknown (KTSP)';

COMMENT ON COLUMN marts.discount_facts.discount_code IS 'Code, trimmed, upper case';

COMMENT ON COLUMN marts.discount_facts.discount_code_raw IS 'Code as sent';

COMMENT ON COLUMN marts.discount_facts.applied_to IS 'What the code''s discount was taken from, as sent';

COMMENT ON COLUMN marts.discount_facts.currency_code IS 'ISO 4217';

COMMENT ON COLUMN marts.discount_facts.amount IS 'Amount taken off; in currency_code';

COMMENT ON COLUMN marts.discount_facts.basis_amount IS 'Amount it was taken from; in currency_code';

CREATE TABLE marts.order_lifecycle (
    order_key TEXT NOT NULL,
    ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    draft_at TIMESTAMP WITH TIME ZONE,
    pending_at TIMESTAMP WITH TIME ZONE,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    in_process_at TIMESTAMP WITH TIME ZONE,
    ready_at TIMESTAMP WITH TIME ZONE,
    shipped_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    rts_at TIMESTAMP WITH TIME ZONE,
    canceled_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    unpaid_at TIMESTAMP WITH TIME ZONE,
    paid_at TIMESTAMP WITH TIME ZONE,
    transfer_at TIMESTAMP WITH TIME ZONE,
    milestones_reached INTEGER NOT NULL,
    reopened_count INTEGER NOT NULL,
    is_sequence_ok BOOLEAN NOT NULL,
    CONSTRAINT order_lifecycle_pkey PRIMARY KEY (order_key),
    CONSTRAINT order_lifecycle_order_key_fkey FOREIGN KEY(order_key) REFERENCES marts.order_facts (order_key) ON DELETE CASCADE
);

COMMENT ON TABLE marts.order_lifecycle IS 'One row per order: when it first reached which status. transfer_at is typed by staff; use no durations of it';

COMMENT ON COLUMN marts.order_lifecycle.order_key IS 'The order';

COMMENT ON COLUMN marts.order_lifecycle.ordered_at IS 'When the order was placed (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.draft_at IS 'First valid time of draft (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.pending_at IS 'First valid time of pending (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.confirmed_at IS 'First valid time of confirmed (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.in_process_at IS 'First valid time of in_process (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.ready_at IS 'First valid time of ready (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.shipped_at IS 'First valid time of shipped (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.completed_at IS 'First valid time of completed (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.rts_at IS 'First valid time of rts (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.canceled_at IS 'First valid time of canceled (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.closed_at IS 'First valid time of closed (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.unpaid_at IS 'First valid time of unpaid (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.paid_at IS 'First valid time of paid (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.transfer_at IS 'First valid time of transfer (UTC)';

COMMENT ON COLUMN marts.order_lifecycle.milestones_reached IS 'Number of statuses reached';

COMMENT ON COLUMN marts.order_lifecycle.reopened_count IS 'How often a status was entered again';

COMMENT ON COLUMN marts.order_lifecycle.is_sequence_ok IS 'Statuses were reached in their usual order';

CREATE TABLE marts.order_line_facts (
    order_key TEXT NOT NULL,
    line_number INTEGER NOT NULL,
    source_line_id TEXT,
    product_key TEXT NOT NULL,
    variant_id BIGINT,
    sku TEXT,
    product_name TEXT,
    option1 TEXT,
    option2 TEXT,
    option3 TEXT,
    item_type TEXT,
    pricing_type TEXT,
    billing_interval TEXT,
    billing_interval_count INTEGER,
    is_digital BOOLEAN,
    currency_code CHAR(3) NOT NULL,
    currency_source TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    unit_price_amount NUMERIC(20, 4),
    line_gross_amount NUMERIC(20, 4) NOT NULL,
    line_discount_amount NUMERIC(20, 4) NOT NULL,
    line_code_discount_amount NUMERIC(20, 4) NOT NULL,
    alloc_header_discount_amount NUMERIC(20, 4) NOT NULL,
    line_net_sales_amount NUMERIC(20, 4) NOT NULL,
    line_basis TEXT NOT NULL,
    weight NUMERIC(14, 3),
    CONSTRAINT order_line_facts_pkey PRIMARY KEY (order_key, line_number),
    CONSTRAINT order_line_facts_line_number_check CHECK (line_number >= 1),
    CONSTRAINT order_line_facts_currency_source_check CHECK (currency_source in ('line', 'order', 'store_default')),
    CONSTRAINT order_line_facts_line_basis_check CHECK (line_basis in ('line_total', 'unit_price', 'unreconciled')),
    CONSTRAINT order_line_facts_net_sales_check CHECK (line_net_sales_amount = line_gross_amount - line_discount_amount - line_code_discount_amount - alloc_header_discount_amount),
    CONSTRAINT order_line_facts_order_key_fkey FOREIGN KEY(order_key) REFERENCES marts.order_facts (order_key) ON DELETE CASCADE
);

COMMENT ON TABLE marts.order_line_facts IS 'One row per line of a Scalev order; net sales of the lines add up to that of the order';

COMMENT ON COLUMN marts.order_line_facts.order_key IS 'The order';

COMMENT ON COLUMN marts.order_line_facts.line_number IS 'Position in the order, from 1';

COMMENT ON COLUMN marts.order_line_facts.source_line_id IS 'Id of the line at the source';

COMMENT ON COLUMN marts.order_line_facts.product_key IS 'ACCOUNT|VARIANT, else ACCOUNT|sku:SKU, else ACCOUNT|name:HASH of the name';

COMMENT ON COLUMN marts.order_line_facts.variant_id IS 'Variant at the source, where it is a number';

COMMENT ON COLUMN marts.order_line_facts.sku IS 'Stock keeping unit';

COMMENT ON COLUMN marts.order_line_facts.product_name IS 'Name of the product when it was ordered';

COMMENT ON COLUMN marts.order_line_facts.option1 IS 'First option of the variant, such as its size';

COMMENT ON COLUMN marts.order_line_facts.option2 IS 'Second option of the variant';

COMMENT ON COLUMN marts.order_line_facts.option3 IS 'Third option of the variant';

COMMENT ON COLUMN marts.order_line_facts.item_type IS 'Kind of item, as sent';

COMMENT ON COLUMN marts.order_line_facts.pricing_type IS 'One-time or recurring, as sent';

COMMENT ON COLUMN marts.order_line_facts.billing_interval IS 'Interval of a recurring price';

COMMENT ON COLUMN marts.order_line_facts.billing_interval_count IS 'Number of intervals between two payments';

COMMENT ON COLUMN marts.order_line_facts.is_digital IS 'Nothing is shipped; NULL where the source does not say';

COMMENT ON COLUMN marts.order_line_facts.currency_code IS 'ISO 4217, the line''s own; XXX where it is invalid';

COMMENT ON COLUMN marts.order_line_facts.currency_source IS 'Where the currency comes from: line, order or store_default';

COMMENT ON COLUMN marts.order_line_facts.quantity IS 'Pieces; 0 where the source does not say';

COMMENT ON COLUMN marts.order_line_facts.unit_price_amount IS 'Price of one piece before discounts; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.line_gross_amount IS 'The line before discounts; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.line_discount_amount IS 'Discount the source gives on the line; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.line_code_discount_amount IS 'The line''s part of the code''s discount, 0 where the code is for shipping; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.alloc_header_discount_amount IS 'The line''s share of discounts on goods that only the order has; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.line_net_sales_amount IS 'Gross less the three discounts; adds up to the order''s net_sales_amount; in currency_code';

COMMENT ON COLUMN marts.order_line_facts.line_basis IS 'Whether the source''s amount is the line_total, a unit_price, or unreconciled';

COMMENT ON COLUMN marts.order_line_facts.weight IS 'Weight at the source, grams';

CREATE TABLE marts.order_status_events (
    order_key TEXT NOT NULL,
    event_dimension TEXT NOT NULL,
    status TEXT NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    event_source TEXT NOT NULL,
    is_first BOOLEAN NOT NULL,
    actor_kind TEXT,
    CONSTRAINT order_status_events_pkey PRIMARY KEY (order_key, event_dimension, status, occurred_at),
    CONSTRAINT order_status_events_event_dimension_check CHECK (event_dimension in ('order', 'payment', 'shipment')),
    CONSTRAINT order_status_events_event_source_check CHECK (event_source in ('time_column', 'history', 'observed', 'order_time')),
    CONSTRAINT order_status_events_order_key_fkey FOREIGN KEY(order_key) REFERENCES marts.order_facts (order_key) ON DELETE CASCADE
);

COMMENT ON TABLE marts.order_status_events IS 'One row per entry of an order into a status: the log beside the milestones of order_lifecycle';

COMMENT ON COLUMN marts.order_status_events.order_key IS 'The order';

COMMENT ON COLUMN marts.order_status_events.event_dimension IS 'order, payment or shipment';

COMMENT ON COLUMN marts.order_status_events.status IS 'Status that was entered, as sent, lower case';

COMMENT ON COLUMN marts.order_status_events.occurred_at IS 'When it was entered (UTC)';

COMMENT ON COLUMN marts.order_status_events.event_source IS 'time_column, history, observed (our sighting of a change) or order_time (KTSP)';

COMMENT ON COLUMN marts.order_status_events.is_first IS 'First entry into this status';

COMMENT ON COLUMN marts.order_status_events.actor_kind IS 'Who did it; NULL, since the source''s answer is personal data';

CREATE TABLE ops.order_lineage (
    order_key TEXT NOT NULL,
    source_system TEXT NOT NULL,
    partition_key TEXT NOT NULL,
    crawl_id BIGINT NOT NULL,
    page_number INTEGER NOT NULL,
    position INTEGER NOT NULL,
    ordered_at TIMESTAMP WITH TIME ZONE NOT NULL,
    is_open BOOLEAN NOT NULL,
    is_listed BOOLEAN NOT NULL,
    CONSTRAINT order_lineage_pkey PRIMARY KEY (order_key),
    CONSTRAINT order_lineage_order_key_fkey FOREIGN KEY(order_key) REFERENCES marts.order_facts (order_key) ON DELETE CASCADE
);

CREATE INDEX order_lineage_open_idx ON ops.order_lineage (source_system, partition_key, ordered_at) WHERE is_open;

CREATE INDEX order_lineage_source_system_partition_key_ordered_at_idx ON ops.order_lineage (source_system, partition_key, ordered_at);

COMMENT ON TABLE ops.order_lineage IS 'Where each fact comes from (account, crawl, page and place), and what the next crawl has to look at';

COMMENT ON COLUMN ops.order_lineage.order_key IS 'The order';

COMMENT ON COLUMN ops.order_lineage.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN ops.order_lineage.partition_key IS 'The account that brought the order';

COMMENT ON COLUMN ops.order_lineage.crawl_id IS 'Crawl that brought the version in the facts';

COMMENT ON COLUMN ops.order_lineage.page_number IS 'Page of that crawl';

COMMENT ON COLUMN ops.order_lineage.position IS 'Place on the page, from 1';

COMMENT ON COLUMN ops.order_lineage.ordered_at IS 'As in the facts';

COMMENT ON COLUMN ops.order_lineage.is_open IS 'Its status can still change in the usual course';

COMMENT ON COLUMN ops.order_lineage.is_listed IS 'The account''s history holds it, as far as is known';

CREATE TABLE ops.vanished_orders (
    crawl_id BIGINT NOT NULL,
    order_key TEXT NOT NULL,
    CONSTRAINT vanished_orders_pkey PRIMARY KEY (crawl_id, order_key),
    CONSTRAINT vanished_orders_crawl_id_fkey FOREIGN KEY(crawl_id) REFERENCES ops.crawls (crawl_id) ON DELETE CASCADE
);

COMMENT ON TABLE ops.vanished_orders IS 'Why an order counts as deleted at the source: the crawl that no longer saw it';

COMMENT ON COLUMN ops.vanished_orders.crawl_id IS 'Complete crawl of the account''s whole history';

COMMENT ON COLUMN ops.vanished_orders.order_key IS 'Order of the account that it no longer held';

CREATE TABLE raw.order_pages (
    crawl_id BIGINT NOT NULL,
    page_number INTEGER NOT NULL,
    pass_number INTEGER NOT NULL,
    page_no INTEGER,
    cursor_hash CHAR(64),
    fetched_at TIMESTAMP WITH TIME ZONE NOT NULL,
    http_status INTEGER NOT NULL,
    content_encoding TEXT NOT NULL,
    body BYTEA NOT NULL,
    body_sha256 CHAR(64) NOT NULL,
    items INTEGER,
    CONSTRAINT order_pages_pkey PRIMARY KEY (crawl_id, page_number),
    CONSTRAINT order_pages_crawl_id_fkey FOREIGN KEY(crawl_id) REFERENCES ops.crawls (crawl_id) ON DELETE CASCADE
);

COMMENT ON TABLE raw.order_pages IS 'Pages as received, readable only with the keys';

COMMENT ON COLUMN raw.order_pages.crawl_id IS 'Crawl that fetched the page';

COMMENT ON COLUMN raw.order_pages.page_number IS '1, 2, ... in the order of fetching';

COMMENT ON COLUMN raw.order_pages.pass_number IS 'How often the history was begun to be read, from 1';

COMMENT ON COLUMN raw.order_pages.page_no IS 'KTSP: the pageNo that was asked for';

COMMENT ON COLUMN raw.order_pages.cursor_hash IS 'SHA-256 of the cursor the page was asked with';

COMMENT ON COLUMN raw.order_pages.fetched_at IS 'When the last byte was received';

COMMENT ON COLUMN raw.order_pages.http_status IS 'HTTP status';

COMMENT ON COLUMN raw.order_pages.content_encoding IS 'Encoding of the body as the server sent it: gzip, deflate or identity';

COMMENT ON COLUMN raw.order_pages.body IS 'The body as received, AES-GCM under the account''s data key';

COMMENT ON COLUMN raw.order_pages.body_sha256 IS 'SHA-256 of the decoded body';

COMMENT ON COLUMN raw.order_pages.items IS 'Orders on the page; NULL if it could not be read';

CREATE VIEW marts.revenue_daily_dense AS
-- Every day from the store's first order to the date of the last run, for each of its currencies.
select
    c.day::date as order_date,
    f.source_system,
    f.store_key,
    f.currency_code,
    coalesce(r.orders_total, 0) as orders_total,
    coalesce(r.orders_placed, 0) as orders_placed,
    coalesce(r.orders_recognised, 0) as orders_recognised,
    coalesce(r.orders_open, 0) as orders_open,
    coalesce(r.orders_lost, 0) as orders_lost,
    coalesce(r.orders_canceled, case when f.source_system <> 'ktsp' then 0 end) as orders_canceled,
    coalesce(r.orders_rts, case when f.source_system <> 'ktsp' then 0 end) as orders_rts,
    coalesce(r.orders_draft, 0) as orders_draft,
    coalesce(r.orders_excluded, 0) as orders_excluded,
    coalesce(r.customers_recognised, 0) as customers_recognised,
    coalesce(r.orders_new, 0) as orders_new,
    coalesce(r.orders_returning, 0) as orders_returning,
    coalesce(r.orders_promo_discounted, 0) as orders_promo_discounted,
    coalesce(r.gross_sales_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as gross_sales_amount,
    coalesce(r.sales_discount_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as sales_discount_amount,
    coalesce(r.net_sales_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as net_sales_amount,
    coalesce(r.net_shipping_amount, case when f.currency_code <> 'XXX' and f.source_system <> 'ktsp' then 0::numeric(20, 4) end) as net_shipping_amount,
    coalesce(r.other_income_amount, case when f.currency_code <> 'XXX' and f.source_system <> 'ktsp' then 0::numeric(20, 4) end) as other_income_amount,
    coalesce(r.residual_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as residual_amount,
    coalesce(r.original_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as original_amount,
    coalesce(r.discount_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as discount_amount,
    coalesce(r.payment_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as payment_amount,
    coalesce(r.open_payment_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as open_payment_amount,
    coalesce(r.lost_payment_amount, case when f.currency_code <> 'XXX' then 0::numeric(20, 4) end) as lost_payment_amount,
    r.aov_net_sales,
    r.avg_payment_amount,
    r.sales_discount_rate,
    r.total_discount_rate,
    r.avg_order_discount_rate,
    r.promo_discounted_order_rate,
    r.cancel_rate,
    r.rts_rate,
    r.rts_share_of_shipped
from (
    select
        source_system, store_key, currency_code,
        min(min(order_date)) over (partition by source_system, store_key) as first_date
    from marts.revenue_daily
    group by source_system, store_key, currency_code
) as f
cross join ops.as_of as a
cross join lateral generate_series(f.first_date::timestamp, a.as_of_date::timestamp, interval '1 day') as c (day)
left join marts.revenue_daily as r
    on r.order_date = c.day::date and r.source_system = f.source_system
    and r.store_key = f.store_key and r.currency_code = f.currency_code;

COMMENT ON VIEW marts.revenue_daily_dense IS 'revenue_daily with every day from a store''s first order to ops.as_of; days without orders count 0, their ratios are NULL';

COMMENT ON COLUMN marts.revenue_daily_dense.order_date IS 'Local date of the order in the store''s zone';

COMMENT ON COLUMN marts.revenue_daily_dense.source_system IS 'scalev or ktsp';

COMMENT ON COLUMN marts.revenue_daily_dense.store_key IS 'Store';

COMMENT ON COLUMN marts.revenue_daily_dense.currency_code IS 'ISO 4217; XXX counts orders whose money is not reportable';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_total IS 'All orders of the group: placed + draft + excluded';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_placed IS 'Orders placed: recognised + open + lost';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_recognised IS 'Orders that count as revenue under the recognition policy';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_open IS 'Orders neither recognised nor lost yet';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_lost IS 'Orders canceled, returned to sender, or closed unpaid';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_canceled IS 'Lost orders that were canceled';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_rts IS 'Lost orders returned to sender';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_draft IS 'Drafts, not placed';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_excluded IS 'Orders deleted at the source, or money not trusted';

COMMENT ON COLUMN marts.revenue_daily_dense.customers_recognised IS 'Customers with a recognised order; do not add over days';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_new IS 'Recognised orders that are a customer''s first';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_returning IS 'Recognised orders after a customer''s first';

COMMENT ON COLUMN marts.revenue_daily_dense.orders_promo_discounted IS 'Recognised orders with a promotional discount (the unique code is not one)';

COMMENT ON COLUMN marts.revenue_daily_dense.gross_sales_amount IS 'Goods before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.sales_discount_amount IS 'Discounts on goods; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.net_sales_amount IS 'Gross sales less discounts on goods: the headline revenue; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.net_shipping_amount IS 'Shipping charged less shipping discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.other_income_amount IS 'Surcharges paid by the buyer; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.residual_amount IS 'Part of the payment the source does not explain, e.g. payment fees; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.original_amount IS 'Everything before discounts; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.discount_amount IS 'Everything taken off; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.payment_amount IS 'What buyers pay; sum over recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.open_payment_amount IS 'What buyers would pay for open orders';

COMMENT ON COLUMN marts.revenue_daily_dense.lost_payment_amount IS 'What buyers would have paid for lost orders';

COMMENT ON COLUMN marts.revenue_daily_dense.aov_net_sales IS 'Average order value: net sales / recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.avg_payment_amount IS 'Payment / recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.sales_discount_rate IS 'Discounts on goods / gross sales';

COMMENT ON COLUMN marts.revenue_daily_dense.total_discount_rate IS 'All discounts / everything before discounts';

COMMENT ON COLUMN marts.revenue_daily_dense.avg_order_discount_rate IS 'Unweighted mean over recognised orders of discount on goods / gross sales; orders with gross 0 left out';

COMMENT ON COLUMN marts.revenue_daily_dense.promo_discounted_order_rate IS 'Orders with a promotional discount / recognised orders';

COMMENT ON COLUMN marts.revenue_daily_dense.cancel_rate IS 'Canceled orders / placed orders';

COMMENT ON COLUMN marts.revenue_daily_dense.rts_rate IS 'Returned orders / (returned + completed physical orders): resolved parcels only';

COMMENT ON COLUMN marts.revenue_daily_dense.rts_share_of_shipped IS 'Returned orders / orders that were shipped';
