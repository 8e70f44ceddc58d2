"""The REST side of the exchange: routing, authentication, parameters and handlers."""
