#!/usr/bin/env python3
"""Recomputes the figures of an evaluation from embeddings.npy and photos.csv, and compares.

    python3 tests/recompute.py FOLDER        (Python 3 with numpy; FOLDER holds a report.json)

Exits 1 and names the figure if one differs from report.json by more than 1e-9, or if a row of
matches.csv is not the match found here. It shares no code with the program: `figures` is all there is.
"""
import csv
import json
import sys
from pathlib import Path

import numpy as np


def figures(x, rows, rule):
    """rule: encounter (gallery, own encounter left out), none (gallery), everything (gallery and queries)."""
    who, role = (np.array([r[k] for r in rows]) for k in ("individual", "role"))
    # An encounter is of one individual; a photo without one is alone.
    met = np.array([f"{r['individual']}\0{r['encounter']}" if r["encounter"] else f"\0\0{i}" for i, r in enumerate(rows)])
    query, gallery = np.isin(role, ["query", "both"]), np.isin(role, ["gallery", "both"])
    queries, hits, precisions, matches = np.flatnonzero(query), [], [], []
    at_r, pairs = [], {True: [], False: []}
    for q in queries:
        counted = (gallery | query) if rule == "everything" else gallery & ((met != met[q]) | (rule == "none"))
        counted = np.flatnonzero(counted & (np.arange(len(rows)) != q))
        distance = np.sqrt(((x[counted] - x[q]) ** 2).sum(1))
        order = np.argsort(distance, kind="stable")
        correct = (who[counted] == who[q])[order] & (who[q] != "")
        if who[q] != "":
            for same in (True, False):
                pairs[same].append(distance[(who[counted] != "") & ((who[counted] == who[q]) == same)])
        matches += [(q, k + 1, counted[j], distance[j], correct[k]) for k, j in enumerate(order[:10])]
        if correct.any():
            ranks = np.flatnonzero(correct) + 1
            hits.append((who[q], ranks[0]))
            precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
            first = ranks[ranks <= len(ranks)]
            at_r.append(((np.arange(1, len(first) + 1) / first).sum() / len(ranks), len(first) / len(ranks)))
    first = np.array([rank for _, rank in hits])
    names = np.array([name for name, _ in hits])
    found = {"queries": len(queries), "queries_without_match": len(queries) - len(hits)}
    found["gallery"] = int((gallery | query).sum() if rule == "everything" else gallery.sum())
    for key, value in [("rank1", 1), ("rank5", 5), ("rank10", 10)]:
        found[key] = (first <= value).mean() if len(hits) else None
    found["map"] = np.mean(precisions) if hits else None
    found["balanced_rank1"] = np.mean([(first[names == n] == 1).mean() for n in np.unique(names)]) if hits else None
    found["map_at_r"], found["r_precision"] = np.mean(at_r, 0) if at_r else (None, None)
    same, different = (np.sort(np.concatenate(pairs[k] or [np.zeros(0)])) for k in (True, False))
    there = len(same) and len(different)
    # of pairs of two, those farther than a pair of one; ties count half
    farther = len(different) - (np.searchsorted(different, same, "left") + np.searchsorted(different, same, "right")) / 2
    found["auc"] = farther.mean() / len(different) if there else None
    accepted = np.searchsorted(different, same, "right") / max(len(different), 1)
    tar = np.searchsorted(same, same, "right") / max(len(same), 1)
    for far in (0.1, 0.01, 0.001):
        found[f"tar_at_far.{far}"] = max(tar[accepted <= far], default=0.0) if there else None
    return found, matches


def told(figures, key):
    for part in key.split(".", 1):
        figures = figures[part]
    return figures


def main(folder):
    x = np.load(folder / "embeddings.npy").astype(np.float64)
    rows = list(csv.DictReader(open(folder / "photos.csv", newline="", encoding="utf-8")))
    report = json.load(open(folder / "report.json"))
    wrong = 0
    for name, rule, report_of in [
        ("", report["excluded"], report),
        ("without_exclusion.", "everything", report["without_exclusion"]),
    ]:
        found, matches = figures(x, rows, rule)
        for key, value in found.items():
            there = told(report_of, key)
            same = value == there if value is None or there is None else abs(value - there) <= 1e-9
            wrong += not same
            print(f"{name + key:40} {value!s:24} {'' if same else f'report.json says {there}'}")
        if not name and (folder / "matches.csv").exists():
            listed = list(csv.DictReader(open(folder / "matches.csv", newline="", encoding="utf-8")))
            ours = [(rows[q]["photo"], r, rows[g]["photo"], d, c) for q, r, g, d, c in matches]
            theirs = [(m["query"], int(m["rank"]), m["match"], float(m["distance"]), m["correct"] == "true") for m in listed]
            agree = len(ours) == len(theirs) and all(a[:3] == b[:3] and abs(a[3] - b[3]) < 1e-9 and a[4] == b[4] for a, b in zip(ours, theirs))
            wrong += not agree
            print(f"matches.csv {'agrees' if agree else 'differs'}, {len(theirs)} rows")
    return 1 if wrong else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
