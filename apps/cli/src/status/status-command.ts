/** `sixfold status`: what each node of a running cluster says of itself. */
import { setTimeout as sleep } from "node:timers/promises";
import { formatCount } from "../comparison/result-table.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { makePlainTable } from "../plain-table.ts";
import type { Platform } from "../platform.ts";
import { readRunningFile } from "../running-file.ts";
import { CommandError } from "../usage.ts";
import { isObject, type NodeStatus, numberOf, readStatus } from "./node-status.ts";

export interface StatusFlags {
  readonly data: string;
  readonly watch: boolean;
}

/** What there is to ask: from `running.json`, or only addresses. */
interface Asked {
  readonly name: string;
  readonly url: string;
  readonly role?: string;
  readonly az?: string;
}

interface Answer extends Asked {
  readonly status: NodeStatus | undefined;
}

const WATCH_EVERY_MS = 1_000;
const NUMBERS = [
  "stream",
  "durable",
  "lag",
  "commits",
  "conflicts row / page",
  "slices",
  "syncs",
  "bytes written",
];
const CLEAR_SCREEN = "\u001b[H\u001b[J";

export async function status(
  platform: Platform,
  output: ConsoleOutput,
  urls: readonly string[],
  flags: StatusFlags,
): Promise<void> {
  const nodes = urls.length > 0 ? urls.map((url) => ({ name: url, url })) : await readRunningFile(flags.data);
  if (nodes === undefined)
    throw new CommandError(
      `no cluster runs on ${flags.data}; start one with sixfold up, or name nodes: sixfold status ws://127.0.0.1:7400`,
    );
  for (;;) {
    const answers = await Promise.all(nodes.map(ask));
    if (flags.watch && platform.stdout.isTTY && !output.json) platform.stdout.write(CLEAR_SCREEN);
    for (const { name, url, status: said } of answers)
      output.object({ event: "status", name, url, up: said !== undefined, ...said });
    output.text(renderStatus(answers, output));
    if (!flags.watch) {
      if (answers.every((answer) => answer.status === undefined)) throw new CommandError("no node answers");
      return;
    }
    await sleep(WATCH_EVERY_MS, undefined, { signal: platform.signal }).catch(() => undefined);
    if (platform.signal.aborted) return;
  }
}

async function ask(node: Asked): Promise<Answer> {
  return { ...node, status: await readStatus(node) };
}

function renderStatus(answers: readonly Answer[], output: ConsoleOutput): string {
  const databases = answers.filter((answer) => roleOf(answer) !== "segment");
  const segments = answers.filter((answer) => roleOf(answer) === "segment");
  const tables = [
    [databaseColumns(durablePoints(databases), output), databases],
    [segmentColumns(output), segments],
  ] as const;
  return tables
    .filter(([, rows]) => rows.length > 0)
    .map(([columns, rows]) => renderTable(columns, rows, output))
    .join("\n");
}

/** A column: its name, and what stands there for a node. */
type Column = readonly [name: string, cell: (answer: Answer) => string];

function databaseColumns(durable: ReadonlyMap<number, number>, output: ConsoleOutput): Column[] {
  return [
    ["node", ({ name }) => name],
    ["role", roleOf],
    ["AZ", (answer) => textOf(answer, "az")],
    ["mode", (answer) => textOf(answer, "mode")],
    ["state", (answer) => stateOf(answer, output)],
    ["stream", ({ status: said }) => show(numberOf(said, "stream"))],
    ["durable", ({ status: said }) => show(numberOf(said, "durable"))],
    ["lag", ({ status: said }) => show(lagOf(said, durable))],
    ["commits", ({ status: said }) => show(numberOf(said, "commits"))],
    [
      "conflicts row / page",
      ({ status: said }) =>
        `${show(numberOf(said, "rowConflicts"))} / ${show(numberOf(said, "pageConflicts"))}`,
    ],
  ];
}

function segmentColumns(output: ConsoleOutput): Column[] {
  return [
    ["segment server", ({ name }) => name],
    ["AZ", (answer) => textOf(answer, "az")],
    ["state", (answer) => stateOf(answer, output)],
    ["slices", ({ status: said }) => show(numberOf(said, "slicesTaken"))],
    ["syncs", ({ status: said }) => show(numberOf(said, "blocks"))],
    ["bytes written", ({ status: said }) => show(numberOf(said, "bytes"))],
    ["SCL of each PG and stream", ({ status: said }) => positionsOf(said)],
  ];
}

function renderTable(columns: readonly Column[], answers: readonly Answer[], output: ConsoleOutput): string {
  const table = makePlainTable(
    columns.map(([name]) => name),
    output.colors,
    NUMBERS,
  );
  for (const answer of answers) table.push(columns.map(([, cell]) => cell(answer)));
  return table.toString();
}

function roleOf(answer: Answer): string {
  const role = answer.role ?? answer.status?.["role"];
  return typeof role === "string" ? role : "segment";
}

function textOf(answer: Answer, field: "az" | "mode"): string {
  const value = answer.status?.[field] ?? (field === "az" ? answer.az : undefined);
  return typeof value === "string" ? value : "–";
}

function stateOf(answer: Answer, output: ConsoleOutput): string {
  const { green, red, yellow } = output.colors;
  if (answer.status === undefined) return red("does not answer");
  const { state, ready } = answer.status;
  const word = typeof state === "string" ? state : ready === false ? "starting" : "up";
  return ready === false ? yellow(word) : green(word);
}

function show(value: number | undefined): string {
  return value === undefined ? "–" : formatCount(value);
}

/** Of each open stream, how far its writer says it is durable. */
function durablePoints(answers: readonly Answer[]): Map<number, number> {
  const points = new Map<number, number>();
  for (const { status: said } of answers) {
    const stream = numberOf(said, "stream");
    const durable = numberOf(said, "durable");
    if (stream !== undefined && stream > 0 && durable !== undefined) points.set(stream, durable);
  }
  return points;
}

/** How many durable entries this node does not show yet, over all streams. */
function lagOf(said: NodeStatus | undefined, durable: ReadonlyMap<number, number>): number | undefined {
  const applied = said?.["applied"];
  if (!isObject(applied)) return undefined;
  let lag = 0;
  for (const [stream, point] of durable) {
    const shown = applied[String(stream)];
    // Asked one after the other, so a node may be ahead of what its writer said a moment ago.
    lag += Math.max(0, point - (typeof shown === "number" ? shown : 0));
  }
  return lag;
}

/** `pg0: s1@420 s2@17`, for what a segment server says of its segments. */
function positionsOf(said: NodeStatus | undefined): string {
  const segments = said?.["segments"];
  if (!Array.isArray(segments)) return "–";
  const parts = segments.filter(isObject).map((segment) => {
    const streams = Array.isArray(segment["streams"]) ? segment["streams"].filter(isObject) : [];
    const positions = streams.map((stream) => `s${String(stream["stream"])}@${String(stream["scl"])}`);
    return `pg${String(segment["pg"])}: ${positions.join(" ")}`;
  });
  return parts.join("; ") || "–";
}
