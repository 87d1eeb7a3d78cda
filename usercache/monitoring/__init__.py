"""What programs ask over HTTP: health for those who watch, metrics for Prometheus."""
