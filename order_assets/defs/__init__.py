"""What Dagster shows: assets, jobs, checks, schedules, sensors and resources. Declared here, done in the rings."""
