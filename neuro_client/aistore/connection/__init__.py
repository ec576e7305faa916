"""From a call to the node that answers it: redirects, placement, retries, tokens."""
