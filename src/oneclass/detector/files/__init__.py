"""What a detector leaves on the disk, and finds there: models, and the rows beside them."""
