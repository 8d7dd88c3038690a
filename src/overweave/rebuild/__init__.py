"""The store's keys of overlays anew, from what the hosts know: the plan of `fab store-rebuild`. Pure."""
