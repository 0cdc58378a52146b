/**
 * Messages as one line each, for traces that are read as diffs.
 *
 * Said are the protocol's facts: versions, votes, decisions, positions. Left out are request numbers and what
 * follows from the rest (low-water marks, images' bytes), so that a trace changes only when behaviour does.
 *
 *     append pg0 s1 [3 owned {p7<1:2}] decided 0..2      page 7 changed from version 1:2, by entry 1:3
 *     ack pg0 s1 scl 3 decided 2 [3 wait p7 for 2:1]
 */
import {
  showVersion,
  type ConflictDetails,
  type Decisions,
  type Entry,
  type Manifest,
  type PgId,
  type ReadPoint,
  type Slice,
  type StreamState,
  type Vote,
} from "@sixfold/model";
import {
  decodeKey,
  type Ack,
  type Ballot,
  type ClientResult,
  type Message,
  type PageAnswer,
} from "@sixfold/wire";

/** What `hide` in a script may name. */
export const CATEGORIES: Readonly<Record<string, readonly Message["type"][]>> = {
  gossip: ["positions", "pullSlices", "pulledSlices", "pullPages", "pulledPages"],
  manifest: [
    "manifestPrepare",
    "manifestPromise",
    "manifestAccept",
    "manifestAccepted",
    "manifestPeek",
    "manifestPeeked",
  ],
  reads: ["readPage", "pageRead"],
  feeds: [
    "follow",
    "feedStart",
    "askDurable",
    "durable",
    "askSnapshot",
    "snapshot",
    "askPages",
    "pagesGiven",
  ],
  closing: ["close", "closed", "outcomes", "outcomesKnown"],
  log: ["append", "ack"],
  clients: ["clientWelcome", "topology", "requests", "responses"],
};

export function showMessage(m: Message): string {
  switch (m.type) {
    case "append": {
      const slices = m.slices.length === 0 ? "" : ` [${m.slices.map(showSlice).join(", ")}]`;
      const foreign = m.builtOn.entries().filter(([stream]) => stream !== m.stream);
      const on = foreign.length === 0 ? "" : ` after ${foreign.map(([s, l]) => `${s}:${l}`).join(" ")}`;
      return `append pg${m.pg} s${m.stream}${m.exclusive ? " exclusive" : ""}${slices}${on}${showDecisions(m.decisions)}`;
    }
    case "ack":
      return showAck(m);
    case "askVotes":
      return `askVotes pg${m.pg} s${m.stream} ${m.lsns.join(" ")}`;
    case "votes":
      return `votes pg${m.pg} s${m.stream} ${showVotes(m.votes)}`;
    case "fence":
      return `fence pg${m.pg} s${m.stream}${m.uses.map(({ page, base }) => ` p${page}<${showVersion(base)}`).join("")}`;
    case "fenced":
      return showFenced(m);
    case "close":
      return `close pg${m.pg} s${m.stream} final ${m.final} tail ${m.tail}${showDecisions(m.decisions)}`;
    case "closed":
      return `closed pg${m.pg} s${m.stream}${m.complete ? " complete" : " incomplete"}`;
    case "outcomes":
      return `outcomes pg${m.pg} ${m.outcomes.map((o) => `${o.stream}:${o.lsn} ${o.decision}`).join(", ")}`;
    case "outcomesKnown":
      return `outcomesKnown pg${m.pg}`;
    case "readPage":
      return `readPage p${m.page} at ${showReadPoint(m.readPoint)} need ${m.need.map(([s, l]) => `${s}:${l}`).join(" ") || "nothing"}`;
    case "pageRead":
      return `pageRead p${m.page} ${showPageAnswer(m.answer)}`;
    case "findTransaction":
      return `findTransaction pg${m.pg} s${m.stream} ${m.transaction}`;
    case "transactionFound":
      return `transactionFound pg${m.pg} s${m.stream} scl ${m.scl} [${m.attempts.map((a) => `${a.lsn} ${a.decision ?? "undecided"}`).join(", ")}]`;
    case "pullSlices":
      return `pullSlices pg${m.pg} s${m.stream} ${m.after}..${m.through}`;
    case "pulledSlices":
      return `pulledSlices pg${m.pg} s${m.stream} [${m.slices.map((s) => s.lsn).join(" ")}]${showDecisions(m.decisions)}${m.closed === undefined ? "" : ` closed at ${m.closed.final}`}`;
    default:
      return showRare(m);
  }
}

type Rare = Exclude<
  Message["type"],
  | "append"
  | "ack"
  | "askVotes"
  | "votes"
  | "fence"
  | "fenced"
  | "close"
  | "closed"
  | "outcomes"
  | "outcomesKnown"
  | "readPage"
  | "pageRead"
  | "findTransaction"
  | "transactionFound"
  | "pullSlices"
  | "pulledSlices"
>;

function showRare(m: Extract<Message, { type: Rare }>): string {
  switch (m.type) {
    case "positions":
      return `positions pg${m.pg} ${m.streams.map((s) => `s${s.stream} scl ${s.scl} decided ${s.decidedThrough}${s.closed ? " closed" : ""}`).join(", ")}`;
    case "manifestPrepare":
      return `prepare ${showBallot(m.ballot)}`;
    case "manifestPromise":
      if (!m.granted) return `refuse: promised ${showBallot(m.promised)}`;
      return `promise ${showBallot(m.promised)} holds ${m.accepted === undefined ? "nothing" : `revision ${m.accepted.value.revision}`}`;
    case "manifestAccept":
      return `accept ${showBallot(m.ballot)} ${showManifest(m.value)}`;
    case "manifestAccepted":
      return m.granted ? "accepted" : `refuse: promised ${showBallot(m.promised)}`;
    case "manifestPeek":
      return "peek";
    case "manifestPeeked":
      return `peeked ${m.value === undefined ? "nothing" : `revision ${m.value.revision}`}`;
    case "follow":
      return "follow";
    case "feedStart":
      return `feedStart s${m.stream} durable ${m.durable}`;
    case "askDurable":
      return "askDurable";
    case "durable":
      return `durable s${m.stream} ${m.durable}`;
    case "askSnapshot":
      return "askSnapshot";
    case "snapshot":
      return `snapshot ${m.point.toString()}`;
    case "askPages":
      return `askPages of s${m.owner} ${m.pages.map((p) => `${p.page} at ${p.at}`).join(", ")}`;
    case "pagesGiven":
      return `pagesGiven ${m.pages.join(", ")}`;
    case "clientWelcome":
      return `welcome ${m.node} ${m.role} ${m.mode} stream ${m.stream}`;
    case "topology":
      return `topology ${m.nodes.map((n) => `${n.name}${n.stream === 0 ? "" : ` stream ${n.stream}`}`).join(", ")}`;
    default:
      return m.type;
  }
}

function showSlice(s: Slice): string {
  const pages = [
    ...s.deltas.map((d) => `p${d.page}<${showVersion(d.base)}`),
    ...s.checks.map((c) => `?p${c.page}=${showVersion(c.base)}`),
  ];
  const bases = s.ownBases.length === 0 ? "" : ` on ${s.ownBases.join(",")}`;
  const supersedes = s.supersedes === 0 ? "" : ` instead of ${s.supersedes}`;
  const pgs = s.pgs.length === 1 ? "" : ` pgs ${s.pgs.join("+")}`;
  return `${s.lsn} ${s.owned ? "owned" : "transferred"}${pgs} {${pages.join(" ")}}${bases}${supersedes}`;
}

/** An entry as its slices would show it: for checkers' messages. */
export function showEntry(e: Pick<Entry, "stream" | "lsn" | "deltas">): string {
  return `${e.stream}:${e.lsn} {${e.deltas.map((d) => `p${d.page}<${showVersion(d.base)}`).join(" ")}}`;
}

export function showDecisions(d: Decisions): string {
  const aborts = [...d.aborts, ...d.earlyAborts];
  return ` decided ${d.from}..${d.through}${aborts.length === 0 ? "" : ` aborts ${aborts.join(",")}`}`;
}

export function showVote(vote: Vote): string {
  switch (vote.kind) {
    case "wait":
      return `wait p${vote.page} for ${vote.blocker.stream}:${vote.blocker.lsn}`;
    case "reject":
      return `reject p${vote.page} won by ${vote.winner.stream}:${vote.winner.lsn}`;
    case "void":
      return `void without ${vote.base}`;
    case "accept":
    case "hold":
      return vote.kind;
  }
}

function showVotes(votes: Ack["votes"]): string {
  return `[${votes.map((v) => `${v.lsn} ${showVote(v.vote)}`).join(", ")}]`;
}

function showAck(m: Ack): string {
  const votes = m.votes.length === 0 ? "" : ` ${showVotes(m.votes)}`;
  const aborts = m.abortsKnown.length === 0 ? "" : ` aborts ${m.abortsKnown.join(",")}`;
  const waiting =
    m.waiting.length === 0
      ? ""
      : ` waiting ${m.waiting.map((w) => `${w.stream}:${w.lsn} on p${w.page}`).join(" ")}`;
  const state = m.state === "ok" ? "" : ` ${m.state}`;
  return `ack pg${m.pg} s${m.stream} scl ${m.scl}${votes} decided ${m.decidedThrough}${aborts}${waiting}${state}`;
}

function showFenced(m: Extract<Message, { type: "fenced" }>): string {
  const slices = m.slices.map((s) => `${s.slice.lsn} ${s.decision ?? showVote(s.vote)}`).join(", ");
  const aborts = [...m.aborts, ...m.earlyAborts];
  return `fenced pg${m.pg} s${m.stream} scl ${m.scl} decided ${m.decidedThrough}${aborts.length === 0 ? "" : ` aborts ${aborts.join(",")}`} [${slices}]`;
}

function showPageAnswer(answer: PageAnswer): string {
  return answer.kind === "page" ? `= ${showVersion(answer.version)}` : answer.kind;
}

const showBallot = (b: Ballot): string => `(${b.round} ${b.proposer})`;

export function showReadPoint(point: ReadPoint): string {
  return point.toString();
}

function showStream(s: StreamState): string {
  if (s.state === "open") return `s${s.id} open at ${s.node}${s.exclusive ? " exclusive" : ""}`;
  const tails = [...s.tails].sort(([a], [b]) => a - b).map(([pg, tail]: [PgId, number]) => `pg${pg}:${tail}`);
  return `s${s.id} closed at ${s.final}${tails.length === 0 ? "" : ` tails ${tails.join(" ")}`}`;
}

export function showManifest(m: Manifest): string {
  const settled = m.settledThrough === 0 ? "" : `, settled ${m.settledThrough}`;
  const outcomes =
    m.outcomes.length === 0
      ? ""
      : `, outcomes ${m.outcomes.map((o) => `${o.stream}:${o.lsn} ${o.decision}`).join(" ")}`;
  const streams = m.streams.length === 0 ? "no streams" : m.streams.map(showStream).join(", ");
  return `revision ${m.revision} ${m.mode}, ${m.pgs.length} pgs: ${streams}${settled}${outcomes}`;
}

/** In the order of DESIGN section 8. */
const CONFLICT_FIELDS = [
  "page",
  "table",
  "row",
  "versionRead",
  "winningVersion",
  "winnerNode",
  "winnerTransaction",
  "phase",
  "attempts",
] as const satisfies readonly (keyof ConflictDetails)[];

export function showError(result: Extract<ClientResult, { op: "error" }>): string {
  const { code, retryable, outcome, details } = result.error;
  const { conflict, limit } = details;
  const fields: string[] = [];
  for (const name of CONFLICT_FIELDS)
    if (conflict?.[name] !== undefined) fields.push(`${name}=${showField(conflict[name])}`);
  if (limit !== undefined) fields.push(`limit=${limit.name} max=${limit.max} actual=${limit.actual}`);
  return [`error ${code} retryable=${retryable} outcome=${outcome}`, ...fields].join(" ");
}

function showField(value: unknown): string {
  if (value instanceof Uint8Array) return String(decodeKey(value));
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "undefined");
}
