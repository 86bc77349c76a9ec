"""Proxies of pods and Services: what reaches whoever is behind them, and what comes back."""
