// What Grafana would show in panels: its own library for data applies their transformations, overrides, units and texts.
// Reads from stdin a list of { panel, results }, a result of Prometheus for each of the panel's queries; writes a list of
// { headings, rows } for tables, { values } for numbers and { series } for graphs.
// Frames are made here as Grafana's data source for Prometheus makes them; of each series one sample is enough.
"use strict";

const { createRequire } = require("node:module");
const path = require("node:path");

const from = createRequire(path.join(process.argv[2], "here.js"));

// Libraries that it loads look for a browser's page; nothing of that concerns what a panel shows.
const { window } = new (from("jsdom").JSDOM)("", { url: "http://localhost/" });
window.matchMedia = () => ({ matches: false });
for (const name of ["document", "navigator", "localStorage"]) {
  Object.defineProperty(globalThis, name, { value: window[name], configurable: true });
}
globalThis.window = window;

const grafana = from("@grafana/data");
const { firstValueFrom } = from("rxjs");

const transformers = Object.values(grafana.standardTransformers).map(
  (one) => [one.id, { id: one.id, name: one.name, transformation: one, editor: () => null }],
);
grafana.standardTransformersRegistry.setInit(() => [...new Map(transformers).values()]);

const standard = ["unit", "min", "max", "decimals", "mappings", "thresholds", "noValue", "color", "links"];
const custom = ["cellOptions", "lineStyle", "stacking", "fillOpacity", "thresholdsStyle"];
const option = (id, name, isCustom) => ({
  id, path: name, name, isCustom, process: (value) => value, shouldApply: () => true, override: () => null, editor: () => null,
});
const options = new grafana.FieldConfigOptionsRegistry(() => [
  ...standard.map((name) => option(name, name, false)),
  ...custom.map((name) => option(`custom.${name}`, name, true)),
]);
const theme = grafana.createTheme();
const how = { replaceVariables: (text) => text, theme, timeZone: "utc" };
const text = (shown) => grafana.formattedValueToString(shown);
const configured = (data, panel) =>
  grafana.applyFieldOverrides({ data, fieldConfig: panel.fieldConfig, fieldConfigRegistry: options, ...how });

function seriesOf(target, result) {
  return result.map(({ metric, value }) => {
    const name = target.legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? "");
    return grafana.toDataFrame({
      refId: target.refId,
      fields: [
        { name: "Time", type: "time", values: [value[0] * 1000] },
        { name: "Value", type: "number", labels: metric, values: [Number(value[1])], config: { displayNameFromDS: name } },
      ],
    });
  });
}

function tablesOf(targets, results) {
  const answered = targets.map((target, at) => [target, results[at]]).filter(([, result]) => result.length > 0);
  return answered.map(([target, result]) => {
    const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
    return grafana.toDataFrame({
      refId: target.refId,
      fields: [
        { name: "Time", type: "time", values: result.map(({ value }) => value[0] * 1000) },
        ...labels.map((name) => ({ name, type: "string", values: result.map(({ metric }) => metric[name] ?? "") })),
        {
          name: answered.length > 1 ? `Value #${target.refId}` : "Value",
          type: "number",
          values: result.map(({ value }) => Number(value[1])),
        },
      ],
    });
  });
}

async function shown({ panel, results }) {
  if (panel.type === "table") {
    const frames = await firstValueFrom(
      grafana.transformDataFrame(panel.transformations, tablesOf(panel.targets, results), { interpolate: (one) => one }),
    );
    const [table] = configured(frames, panel);
    return {
      headings: table.fields.map((field) => grafana.getFieldDisplayName(field, table, [table])),
      rows: [...Array(table.length).keys()].map((at) => table.fields.map((field) => text(field.display(field.values[at])))),
    };
  }
  const frames = configured(panel.targets.flatMap((target, at) => seriesOf(target, results[at])), panel);
  if (panel.type === "timeseries") {
    return {
      series: frames.map((frame) => {
        const field = frame.fields[1];
        return [
          grafana.getFieldDisplayName(field, frame, frames),
          text(field.display(field.values[0])),
          field.config.color?.fixedColor ?? "any",
          field.config.custom?.lineStyle?.fill ?? "solid",
        ];
      }),
    };
  }
  const { reduceOptions } = panel.options;
  const values = grafana.getFieldDisplayValues({ fieldConfig: panel.fieldConfig, reduceOptions, data: frames, ...how });
  const colors = new Map(["red", "orange", "green"].map((name) => [theme.visualization.getColorByName(name), name]));
  return { values: values.map(({ display }) => [display.title ?? "", text(display), colors.get(display.color) ?? "any"]) };
}

(async () => {
  let read = "";
  for await (const chunk of process.stdin) read += chunk;
  const found = [];
  for (const one of JSON.parse(read)) found.push(await shown(one));
  process.stdout.write(JSON.stringify(found));
  process.exit(0);
})();
