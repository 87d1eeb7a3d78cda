"""The metrics, the alert rules and the Grafana panels in a real Prometheus: `make browser`."""
