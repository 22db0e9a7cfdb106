-- The invoice months of the export and how many rows each has.
SELECT
  f.invoice_month,
  COUNT(*) AS row_count
FROM cost_fact AS f
GROUP BY f.invoice_month
