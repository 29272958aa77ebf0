"""What runs the engine elsewhere: image, load balancer, cluster, and the tools that check them."""
