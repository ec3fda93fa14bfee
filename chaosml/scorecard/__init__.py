"""Many runs side by side: what each showed, its grade, and what became worse since.

    folders ─reading─► judgements ─card─► cards ─assembly─► Scorecard ─► text, Markdown, HTML,
                                                                         JSON, badge, table, metrics

A scorecard is made from `verdict.json` alone; histories, where they are kept, give the
page its timelines. Nothing is judged anew here.
"""
