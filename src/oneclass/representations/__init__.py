"""From images to rows: grey-scale intensities, layers of a frozen network, or their positions."""
