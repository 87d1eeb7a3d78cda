"""What the cache does, for operators: metrics, the dashboard, health, tracing, the audit."""
