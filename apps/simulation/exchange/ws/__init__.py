"""The WebSocket side of the exchange: commands, subscriptions and the fan-out of what happens."""
