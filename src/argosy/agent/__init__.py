"""The site's side: claims orders, runs them, reports. No Django."""
