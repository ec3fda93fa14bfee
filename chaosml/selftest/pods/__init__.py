"""Steps of the reference pipeline with one defect each; they run in its place inside pods."""
