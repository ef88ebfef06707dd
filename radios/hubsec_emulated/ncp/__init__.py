"""An emulated EmberZNet network co-processor: EZSP over ASH on TCP, in front of the emulated coordinator."""
