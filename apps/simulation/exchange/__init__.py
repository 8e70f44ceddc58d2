"""An exchange that speaks Kalshi's REST and WebSocket, from a recording or from seeded made-up flow."""
