"""The endpoints of the service; each is in the OpenAPI document and in docs/serve.md."""
