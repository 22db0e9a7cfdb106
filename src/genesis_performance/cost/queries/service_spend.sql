-- What a budget of a service counts: cost and all credits but promotions, which would hide spending.
SELECT
  f.currency,
  f.rate,
  SUM(f.cost) AS gross,
  SUM((
    SELECT COALESCE(SUM(c.amount), 0) FROM UNNEST(f.credits) AS c
    WHERE c.type IS NULL OR c.type != 'PROMOTION'
  )) AS credits
FROM cost_fact AS f
WHERE f.invoice_month = @month AND f.service = @service
GROUP BY f.currency, f.rate
