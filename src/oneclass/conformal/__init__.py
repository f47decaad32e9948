"""From scores to p-values and verdicts by normal images alone, what is proven, and drift."""
