"""What a user sees in a real browser on a running `order-assets dev`."""
