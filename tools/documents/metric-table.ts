// SPDX-License-Identifier: Apache-2.0

/** The table of metrics in docs/metrics.md: what each part of the program declares. */
import type { Labels, Metrics } from "../../src/runtime/metrics.ts";
import { code, sentence, table } from "./markdown.ts";

interface Declared {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: Labels<string>;
}

/** A label with more values than this has its own list elsewhere. */
const MOST_VALUES = 12;

/** One row for each metric that `declare` declares, in order of name. */
export function metricTable(prefix: string, declare: (metrics: Metrics) => void): string {
  const declared = new Map<string, Declared>();
  declare(recorder((one) => void declared.set(one.name, { ...one, labels: union(declared.get(one.name)?.labels ?? {}, one.labels) })));
  const rows = [...declared.values()]
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ name, type, help, labels }) => [code(`${prefix}${name}`), type, labelText(labels), sentence(help)]);
  return table(["metric", "type", "labels", "what it counts"], rows);
}

/** Several parts declare series of one metric. */
function union(one: Labels<string>, other: Labels<string>): Labels<string> {
  return Object.fromEntries(Object.entries(other).map(([label, values]) => [label, [...new Set([...(one[label] ?? []), ...values])]]));
}

function labelText(labels: Labels<string>): string {
  const texts = Object.entries(labels).map(([label, values]) => {
    const known = values.length === 0 || values.length > MOST_VALUES ? "" : `: ${values.join(", ")}`;
    return `${code(label)}${known}`;
  });
  return texts.join("; ");
}

/** Counts nothing and writes down what is declared. */
function recorder(note: (declared: Declared) => void): Metrics {
  const nothing = (): void => undefined;
  return {
    counter(metric) {
      note({ ...metric, type: "counter" });
      return nothing;
    },
    gauge(metric) {
      note({ ...metric, type: "gauge" });
      return nothing;
    },
    flag(metric) {
      note({ ...metric, type: "gauge", labels: {} });
      return nothing;
    },
    histogram(metric) {
      note({ ...metric, type: "histogram" });
      return nothing;
    },
    info(metric, values) {
      note({ ...metric, type: "gauge", labels: Object.fromEntries(Object.keys(values).map((label) => [label, []])) });
    },
  };
}
