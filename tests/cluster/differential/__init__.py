"""The same workflows on real Argo and on the embedded substrate, compared vertex by vertex."""
