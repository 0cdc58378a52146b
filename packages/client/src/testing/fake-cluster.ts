/**
 * Database nodes for tests of the SDK: real frames over links in memory, and behind them one table of rows with snapshot
 * reads and first-committer-wins. Rows are copied whole at each commit, so that a snapshot is a reference.
 */
import {
  ERRORS,
  lsn,
  ReadPoint,
  streamId,
  type ErrorCode,
  type ErrorDetails,
  type Role,
  type StreamId,
  type TransactionOutcome,
} from "@sixfold/model";
import type { ConnectOptions, Link, LinkHandlers } from "@sixfold/ports";
import {
  compareKeys,
  decodeFrame,
  decodeSessionToken,
  decodeValue,
  encodeMessage,
  encodeSessionToken,
  encodeValue,
  volumeTagOf,
  type ClientRequest,
  type ClientRequestBody,
  type ClientResult,
  type Message,
  type TopologyNode,
} from "@sixfold/wire";

export const VOLUME_TAG = volumeTagOf("fake");

interface FakeRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
}
type Rows = ReadonlyMap<string, FakeRow>;
interface OpenTransaction {
  readonly snapshot: Rows;
  readonly serializable: boolean;
  readonly read: Map<string, number>;
}

/** What a test wants of a request instead of its answer: another answer, none, or the end of the connection before or after it took effect. */
export type Twist = ClientResult | "ignore" | "cut" | "take-and-cut" | undefined;

const rowName = (table: string, key: Uint8Array): string => `${table}/${Buffer.from(key).toString("hex")}`;

export function failure(code: ErrorCode, details: ErrorDetails = {}): ClientResult {
  const { retryable, outcome } = ERRORS[code];
  return { op: "error", error: { code, message: `fake ${code}`, retryable, outcome, details } };
}

export class FakeCluster {
  readonly nodes: FakeNode[] = [];
  readonly outcomes = new Map<string, TransactionOutcome>();
  rows: Rows = new Map();
  version = 0;
  token = "";
  /** Requests to any node, in order. */
  readonly log: ClientRequestBody[] = [];

  add(name: string, role: Role, stream = this.nodes.length + 1): FakeNode {
    const node = new FakeNode(this, name, role, streamId(role === "writer" ? stream : 0));
    this.nodes.push(node);
    return node;
  }

  get urls(): string[] {
    return this.nodes.map((n) => n.url);
  }

  connect = (url: string, _options: ConnectOptions, handlers: LinkHandlers): Link => {
    const node = this.nodes.find((n) => n.url === url);
    const link = new FakeLink(url, handlers);
    setImmediate(() => {
      if (link.isClosed) return;
      if (node?.isUp !== true) return link.end("connection refused");
      node.links.push(link);
      link.node = node;
      handlers.open?.(link);
    });
    return link;
  };
}

/** A client's connection as the node sees it. */
export interface FakePeer {
  deliver(message: Message): void;
  end(reason: string): void;
}

class FakeLink implements Link, FakePeer {
  readonly remote: string;
  readonly bufferedBytes = 0;
  node: FakeNode | undefined;
  isClosed = false;
  private readonly handlers: LinkHandlers;

  constructor(url: string, handlers: LinkHandlers) {
    this.remote = url;
    this.handlers = handlers;
  }

  send(frame: Uint8Array): void {
    if (!this.isClosed) setImmediate(() => this.isClosed || this.node?.receive(this, frame));
  }

  deliver(message: Message): void {
    const frame = encodeMessage(message, VOLUME_TAG);
    setImmediate(() => this.isClosed || this.handlers.frame(this, frame));
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.node?.forget(this);
    setImmediate(() => this.handlers.closed(this, "closed here"));
  }

  end(reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.handlers.closed(this, reason);
  }
}

export class FakeNode {
  /** Where clients find it. */
  url: string;
  readonly name: string;
  role: Role;
  stream: StreamId;
  az = "a";
  ready = true;
  lagMs = 0;
  /** What it knows of the nodes, if not how they are. */
  told: readonly TopologyNode[] | undefined;
  isUp = true;
  /** Says nothing at all, as behind a dead switch. */
  isSilent = false;
  links: FakePeer[] = [];
  /** Every request that came, and the frames they came in. */
  readonly requests: ClientRequestBody[] = [];
  frames = 0;
  twist: (body: ClientRequestBody) => Twist = () => undefined;
  private readonly cluster: FakeCluster;
  private readonly open = new Map<string, OpenTransaction>();

  constructor(cluster: FakeCluster, name: string, role: Role, stream: StreamId) {
    this.cluster = cluster;
    this.name = name;
    this.url = `ws://${name}`;
    this.role = role;
    this.stream = stream;
  }

  kill(): void {
    this.isUp = false;
    this.open.clear();
    for (const link of this.links.splice(0)) link.end("connection lost");
  }

  forget(link: FakePeer): void {
    this.links = this.links.filter((l) => l !== link);
  }

  count(op: ClientRequestBody["op"]): number {
    return this.requests.filter((r) => r.op === op).length;
  }

  welcome(link: FakePeer): void {
    const nodes = this.cluster.nodes.map(({ name, role, az, url }) => ({ name, role, az, url }));
    const { name: node, role, az, stream } = this;
    link.deliver({ type: "clientWelcome", node, role, az, mode: "multi", stream, nodes });
    this.tellNodes(link);
  }

  /** As this node knows them: `told` if that is not as they are. */
  tellNodes(link: FakePeer): void {
    const nodes = this.cluster.nodes.map(({ name, role, az, url, stream, ready, lagMs }) => ({
      ...{ name, role, az, url, stream, ready, lagMs },
    }));
    link.deliver({ type: "topology", nodes: this.told ?? nodes });
  }

  receive(link: FakePeer, frame: Uint8Array): void {
    if (this.isSilent) return;
    const message = decodeFrame(frame, VOLUME_TAG);
    if (message.type === "hello") {
      if (message.token !== this.cluster.token) {
        link.deliver({ type: "goodbye", code: "unauthorized", reason: "wrong token" });
        setImmediate(() => link.end("unauthorized"));
        return;
      }
      link.deliver({ type: "welcome", protocol: 1, role: "node", name: this.name, volume: "fake" });
      this.welcome(link);
    } else if (message.type === "ping") {
      link.deliver({ type: "ping" });
    } else if (message.type === "requests") {
      this.frames += 1;
      for (const request of message.requests) this.serve(link, request);
    }
  }

  private serve(link: FakePeer, { request, body }: ClientRequest): void {
    this.requests.push(body);
    this.cluster.log.push(body);
    const twist = this.twist(body);
    if (twist === "ignore") return;
    if (twist === "cut") return this.kill();
    const result = typeof twist === "object" ? twist : this.run(body);
    if (twist === "take-and-cut") return this.kill();
    link.deliver({ type: "responses", session: this.token(), responses: [{ request, result }] });
  }

  private run(body: ClientRequestBody): ClientResult {
    switch (body.op) {
      case "get":
        return this.get(body);
      case "scan":
        return this.scan(body);
      case "commit":
        return this.commit(body);
      case "rollback":
        this.open.delete(body.tx.id);
        this.cluster.outcomes.set(body.tx.id, "aborted");
        return { op: "rollback" };
      case "call":
        this.cluster.outcomes.set(body.tx.id, "committed");
        return {
          op: "call",
          value: encodeValue([body.procedure, ...(decodeValue(body.args) as unknown[])]),
          attempts: 1,
        };
      case "outcome":
        return { op: "outcome", outcome: this.cluster.outcomes.get(body.id) ?? "aborted" };
      case "createTable":
      case "dropTable":
        return { op: body.op, changed: true };
      case "listTables":
        return { op: "listTables", tables: ["t"] };
      case "status":
        return { op: "status", status: { node: this.name } };
    }
  }

  /** A read point that names this node's stream at the present version. */
  private token(): Uint8Array {
    const stream = this.stream === 0 ? streamId(1) : this.stream;
    return encodeSessionToken(new ReadPoint(streamId(0), [[stream, lsn(this.cluster.version)]]));
  }

  private transaction(ref: {
    readonly id: string;
    readonly begin?: { readonly isolation: string };
  }): OpenTransaction {
    let tx = this.open.get(ref.id);
    if (tx === undefined) {
      tx = {
        snapshot: this.cluster.rows,
        serializable: ref.begin?.isolation === "serializable",
        read: new Map(),
      };
      this.open.set(ref.id, tx);
    }
    return tx;
  }

  private get(body: Extract<ClientRequestBody, { op: "get" }>): ClientResult {
    const tx = body.tx === undefined ? undefined : this.transaction(body.tx);
    const values = body.keys.map((key) => {
      const name = rowName(body.table, key);
      const row = (tx?.snapshot ?? this.cluster.rows).get(name);
      tx?.read.set(name, row?.version ?? 0);
      return row?.value;
    });
    return { op: "get", values };
  }

  private scan(body: Extract<ClientRequestBody, { op: "scan" }>): ClientResult {
    const rows = body.tx === undefined ? this.cluster.rows : this.transaction(body.tx).snapshot;
    const inside = [...rows]
      .filter(([name]) => name.startsWith(`${body.table}/`))
      .map(([, row]) => row)
      .filter(({ key }) => {
        if (body.gt !== undefined && compareKeys(key, body.gt) <= 0) return false;
        if (body.gte !== undefined && compareKeys(key, body.gte) < 0) return false;
        if (body.lt !== undefined && compareKeys(key, body.lt) >= 0) return false;
        return body.lte === undefined || compareKeys(key, body.lte) <= 0;
      })
      .sort((a, b) => compareKeys(a.key, b.key) * (body.reverse ? -1 : 1));
    const page = inside.slice(0, body.limit);
    return {
      op: "scan",
      rows: page.map(({ key, value }) => [key, value] as const),
      more: inside.length > page.length,
    };
  }

  private commit(body: Extract<ClientRequestBody, { op: "commit" }>): ClientResult {
    const tx = this.transaction(body.tx);
    this.open.delete(body.tx.id);
    const written = new Set(body.writes.map((w) => rowName(w.table, w.key)));
    for (const [name, version] of tx.read)
      if ((tx.serializable || written.has(name)) && (this.cluster.rows.get(name)?.version ?? 0) !== version) {
        this.cluster.outcomes.set(body.tx.id, "aborted");
        const row = body.writes.find((w) => rowName(w.table, w.key) === name)?.key;
        return failure("row-conflict", {
          conflict: { phase: "local", attempts: 1, table: "t", ...(row === undefined ? {} : { row }) },
        });
      }
    const rows = new Map(this.cluster.rows);
    const version = ++this.cluster.version;
    for (const { table, key, value } of body.writes)
      if (value === undefined) rows.delete(rowName(table, key));
      else rows.set(rowName(table, key), { key: key.slice(), value: value.slice(), version });
    this.cluster.rows = rows;
    this.cluster.outcomes.set(body.tx.id, "committed");
    return { op: "commit", attempts: 1 };
  }
}

/** The read point that a request's token names, for looking at. */
export function tokenOf(body: ClientRequestBody): string | undefined {
  const begin =
    "tx" in body && body.tx !== undefined ? body.tx.begin : "alone" in body ? body.alone : undefined;
  return begin?.session === undefined ? undefined : decodeSessionToken(begin.session).toString();
}
