-- The services of the export, with the ids that budgets filter by.
SELECT DISTINCT
  f.service,
  f.service_id
FROM cost_fact AS f
WHERE f.service IS NOT NULL
