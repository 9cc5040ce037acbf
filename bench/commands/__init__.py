"""The commands of `cliffhanger bench`: each reads its options, measures, and shows a table."""
