/** What `sixfold status` shows to people: a table of the database nodes, two of the segment servers, and how it is on the whole. */
import { formatCount } from "../comparison/result-table.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { makePlainTable } from "../plain-table.ts";
import { formatBytes } from "../size-format.ts";
import {
  type Answer,
  type ClusterView,
  type Health,
  type LagMs,
  positionsInWords,
  pressureOf,
  roleOf,
} from "./cluster-view.ts";
import { isObject, type NodeStatus, numberOf } from "./node-status.ts";

/** A column: its name, what stands there for a node, and whether that is a number. */
interface Column {
  readonly name: string;
  readonly cell: (answer: Answer) => string;
  readonly isNumber: boolean;
}

/** Positions of more PGs fill the screen and are read by nobody. */
const GROUPS_SHOWN = 4;

/** `health`: of a whole cluster; undefined if only some nodes were asked. */
export function renderStatus(view: ClusterView, health: Health | undefined, output: ConsoleOutput): string {
  const tables = [
    table(databaseColumns(view, output), view.databases, output),
    table(segmentColumns(view, output), view.segments, output),
    table(workColumns(), view.segments, output),
  ].filter((text) => text !== "");
  return [...tables, ...(health === undefined ? [] : [healthLine(health, output)])].join("\n");
}

const text = (name: string, cell: Column["cell"]): Column => ({ name, cell, isNumber: false });
const number = (name: string, cell: Column["cell"]): Column => ({ name, cell, isNumber: true });

function databaseColumns(view: ClusterView, output: ConsoleOutput): Column[] {
  return [
    text("node", ({ name }) => name),
    text("role", roleOf),
    text("AZ", (answer) => wordOf(answer, "az")),
    text("mode", (answer) => wordOf(answer, "mode")),
    text("state", (answer) => stateOf(answer, output)),
    number("stream", ({ status }) => show(numberOf(status, "stream"))),
    number("durable", ({ status }) => show(numberOf(status, "durable"))),
    number("lag", (answer) => show(view.lagOf(answer))),
    number("lag ms p50 / p99", (answer) => lagInWords(view.lagMsOf(answer))),
    number("commits", ({ status }) => show(numberOf(status, "commits"))),
    number("conflicts row / page", ({ status }) => pair(status, "rowConflicts", "pageConflicts")),
    text("pressure", ({ status }) => pressureInWords(status, output)),
  ];
}

function segmentColumns(view: ClusterView, output: ConsoleOutput): Column[] {
  const standing = (answer: Answer) => view.standingOf(answer);
  return [
    text("segment server", ({ name }) => name),
    text("AZ", (answer) => wordOf(answer, "az")),
    text("state", (answer) => stateOf(answer, output)),
    number("lag", (answer) => show(view.segmentLagOf(answer))),
    number("ack ms", (answer) => standing(answer)?.rttMs.toFixed(1) ?? "–"),
    number("behind", (answer) => showBytes(standing(answer)?.behindBytes)),
    number("left to gossip", (answer) => show(standing(answer)?.leftToGossip)),
    number("log", ({ status }) => showBytes(numberOf(status, "logBytes"))),
    number("pages", ({ status }) => showBytes(numberOf(status, "pageStoreBytes"))),
    number("damaged / mended", ({ status }) => damageOf(status, output)),
  ];
}

function workColumns(): Column[] {
  return [
    text("segment server", ({ name }) => name),
    number("slices", ({ status }) => show(numberOf(status, "slicesTaken"))),
    number("pulled", ({ status }) => show(numberOf(status, "slicesPulled"))),
    number("reads", ({ status }) => show(numberOf(status, "reads"))),
    number("pages merged / copied", ({ status }) => pair(status, "pagesMerged", "pagesCopied")),
    number("syncs", ({ status }) => show(logNumber(status, "blocks"))),
    number("bytes written", ({ status }) => show(logNumber(status, "bytes"))),
    text("SCL of each PG and stream", ({ status }) => positionsInWords(status, GROUPS_SHOWN)),
  ];
}

function table(columns: readonly Column[], answers: readonly Answer[], output: ConsoleOutput): string {
  if (answers.length === 0) return "";
  const made = makePlainTable(
    columns.map(({ name }) => name),
    output.colors,
    columns.filter(({ isNumber }) => isNumber).map(({ name }) => name),
  );
  for (const answer of answers) made.push(columns.map(({ cell }) => cell(answer)));
  return made.toString();
}

function healthLine({ state, problems }: Health, output: ConsoleOutput): string {
  const { green, yellow, red } = output.colors;
  const paint = { healthy: green, degraded: yellow, stalled: red }[state];
  return problems.length === 0 ? paint(state) : `${paint(state)}: ${problems.join("; ")}`;
}

function wordOf(answer: Answer, field: "az" | "mode"): string {
  const value = answer.status?.[field] ?? (field === "az" ? answer.az : undefined);
  return typeof value === "string" ? value : "–";
}

function stateOf({ status }: Answer, output: ConsoleOutput): string {
  const { green, red, yellow } = output.colors;
  if (status === undefined) return red("does not answer");
  const { state, ready, failure } = status;
  if (typeof failure === "string") return red("failed");
  if (status["isFull"] === true) return red("full");
  const copying = numberOf(status, "copying") ?? 0;
  if (copying > 0) return yellow("copying");
  const word = typeof state === "string" ? state : ready === false ? "starting" : "up";
  return ready === false ? yellow(word) : green(word);
}

function lagInWords(lag: LagMs | undefined): string {
  return lag === undefined ? "–" : `${lag.p50.toFixed(1)} / ${lag.p99.toFixed(1)}`;
}

/** `ok`, or what waits. */
function pressureInWords(status: NodeStatus | undefined, output: ConsoleOutput): string {
  const state = pressureOf(status);
  if (state === undefined) return "–";
  const { green, yellow, red } = output.colors;
  if (state === "ok") return green(state);
  const pressure = status!["pressure"] as NodeStatus;
  const waiting = `${show(numberOf(pressure, "pendingWrites"))} waiting, ${showBytes(numberOf(pressure, "inFlightBytes"))} in flight`;
  return state === "refusing"
    ? red(`overloaded (${waiting}, ${show(numberOf(pressure, "refused"))} refused)`)
    : yellow(`${state} (${waiting})`);
}

/** Pages and blocks that failed their checksum since the server started, and those made whole again. */
function damageOf(status: NodeStatus | undefined, output: ConsoleOutput): string {
  if (status === undefined) return "–";
  const counters = status["counters"];
  const seen = isObject(counters) ? (numberOf(counters, "page-corrupt") ?? 0) : 0;
  const found = (numberOf(status, "pagesDamaged") ?? seen) + (numberOf(status, "blocksDamaged") ?? 0);
  const mended = numberOf(status, "pagesMended");
  const said = `${show(found)} / ${show(mended ?? (found === 0 ? 0 : undefined))}`;
  return found > (mended ?? 0) ? output.colors.yellow(said) : said;
}

/** Of the log's own counters: others bear the same names. */
function logNumber(status: NodeStatus | undefined, name: string): number | undefined {
  const log = status?.["log"];
  return isObject(log) ? numberOf(log, name) : undefined;
}

function pair(status: NodeStatus | undefined, one: string, other: string): string {
  return `${show(numberOf(status, one))} / ${show(numberOf(status, other))}`;
}

function show(value: number | undefined): string {
  return value === undefined ? "–" : formatCount(value);
}

function showBytes(value: number | undefined): string {
  return value === undefined ? "–" : formatBytes(value);
}
