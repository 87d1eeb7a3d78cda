"""Requests and responses as serializers."""
