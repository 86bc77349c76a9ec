"""The volumes of apps: what the spec says of them, the claims behind them, and how pods mount them."""
