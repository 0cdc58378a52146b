import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ConnectOptions, Link, LinkHandlers, Listener, Network } from "../network.ts";
import { highMarkBytes, lowMarkBytes } from "../network.ts";
import type { Harness } from "./harness.ts";
import { pattern } from "./harness.ts";

export interface NetworkHarness extends Harness {
  readonly network: Network;
  /** A host name to listen on. */
  readonly host: string;
  /** An address where nobody listens. */
  readonly deadUrl: string;
}

const maxFrameBytes = 4 << 20;
const options: ConnectOptions = { maxFrameBytes, trusted: true, timeoutMs: 5000 };

/** Everything that happened to the links of one side, in order. */
class Side implements LinkHandlers {
  readonly links: Link[] = [];
  readonly frames: Uint8Array[] = [];
  readonly reasons: string[] = [];
  opens = 0;
  drains = 0;
  onFrame: ((link: Link, frame: Uint8Array) => void) | undefined;

  open(link: Link): void {
    this.opens += 1;
    this.links.push(link);
  }
  frame(link: Link, frame: Uint8Array): void {
    this.frames.push(frame);
    this.onFrame?.(link, frame);
  }
  drain(): void {
    this.drains += 1;
  }
  closed(_link: Link, reason: string): void {
    this.reasons.push(reason);
  }
}

export function networkContract(name: string, make: () => Promise<NetworkHarness>): void {
  describe(`network contract: ${name}`, () => {
    let harness: NetworkHarness;
    let listener: Listener;
    let server: Side;
    let client: Side;
    beforeEach(async () => {
      harness = await make();
      server = new Side();
      client = new Side();
      const at = { host: harness.host, port: 0, maxFrameBytes };
      listener = await harness.settle(harness.network.listen(at, server));
    });
    afterEach(async () => {
      await harness.settle(listener.close());
      await harness.close();
    });

    const connect = (over: Partial<ConnectOptions> = {}): Link =>
      harness.network.connect(listener.url, { ...options, ...over }, client);

    test("a port of its own, in the url", () => {
      expect(listener.port).toBeGreaterThan(0);
      expect(listener.url).toMatch(new RegExp(`^ws://.*:${listener.port}$`));
    });

    for (const trusted of [true, false]) {
      test(`frames of any size arrive whole and in order, both ways (trusted: ${trusted})`, async () => {
        const frames = [0, 1, 125, 126, 65_535, 65_536, 1 << 20].map((bytes, i) => pattern(bytes, i));
        server.onFrame = (link, frame) => link.send(frame);
        const link = connect({ trusted });
        for (const frame of frames) link.send(frame);
        await harness.until(() => client.frames.length === frames.length);
        for (const [i, frame] of frames.entries()) {
          expect(Buffer.compare(server.frames[i]!, frame)).toBe(0);
          expect(Buffer.compare(client.frames[i]!, frame)).toBe(0);
        }
        expect([client.opens, server.opens]).toEqual([1, 1]);
      });
    }

    test("a frame comes in the memory that its receiver names, if it is asked to", async () => {
      const frames = [10, 1 << 20, 0, 300_000, 200_000].map((bytes, i) => pattern(bytes, i));
      server.onFrame = (link, frame) => link.send(frame);
      const named: Uint8Array[] = [];
      const roomFor = (bytes: number): Uint8Array | undefined => {
        if (bytes === 200_000) return undefined;
        named.push(new Uint8Array(new SharedArrayBuffer(bytes + 10), 5, bytes));
        return named.at(-1);
      };
      const link = connect({ roomFor });
      for (const frame of frames) link.send(frame);
      await harness.until(() => client.frames.length === frames.length);
      for (const [i, frame] of frames.entries()) expect(Buffer.compare(client.frames[i]!, frame)).toBe(0);
      for (const { buffer, byteLength } of named) {
        const found = client.frames.filter((frame) => frame.buffer === buffer);
        expect(found.map((frame) => frame.byteLength)).toEqual([byteLength]);
      }
    });

    test("thousands of small frames of one turn keep their order", async () => {
      const link = connect();
      for (let i = 0; i < 5000; i++) link.send(Uint8Array.of(i & 0xff, i >> 8));
      await harness.until(() => server.frames.length === 5000);
      expect(server.frames.every((frame, i) => frame[0]! + (frame[1]! << 8) === i)).toBe(true);
    });

    test("a frame sent is not changed by sending (no copy, no mask in place)", async () => {
      const frame = pattern(100_000, 5);
      const links = [connect({ trusted: true }), connect({ trusted: false })];
      for (const link of links) link.send(frame);
      await harness.until(() => server.frames.length === 2);
      expect(Buffer.compare(frame, pattern(100_000, 5))).toBe(0);
      expect(server.frames.every((received) => Buffer.compare(received, frame) === 0)).toBe(true);
    });

    test("who is told that a frame was sent is told once, not within the call, and may use its bytes again", async () => {
      let told = 0;
      const link = connect();
      await harness.until(() => client.opens === 1);
      const frame = pattern(300_000, 7);
      link.send(frame, () => {
        told += 1;
        frame.fill(0);
      });
      expect(told).toBe(0);
      link.send(pattern(10, 8));
      await harness.until(() => server.frames.length === 2);
      expect(told).toBeLessThanOrEqual(1);
      expect(Buffer.compare(server.frames[0]!, pattern(300_000, 7))).toBe(0);
    });

    test("connecting to nobody: closed once, never opened, not within the call", async () => {
      const link = harness.network.connect(harness.deadUrl, options, client);
      link.send(pattern(10, 1));
      expect(client.reasons).toEqual([]);
      await harness.until(() => client.reasons.length > 0);
      expect([client.opens, client.reasons.length]).toEqual([0, 1]);
      expect(client.reasons[0]).not.toBe("");
    });

    test("close: what was sent before still arrives, then the reason, once on each side", async () => {
      const link = connect();
      await harness.until(() => client.opens === 1);
      link.send(pattern(300_000, 1));
      link.close("moved away");
      link.close("again");
      link.send(pattern(10, 2));
      expect(client.reasons).toEqual([]);
      await harness.until(() => server.reasons.length > 0 && client.reasons.length > 0);
      expect(server.frames).toHaveLength(1);
      expect(server.reasons).toHaveLength(1);
      expect(server.reasons[0]).toContain("moved away");
      expect(client.reasons).toHaveLength(1);
      expect(link.bufferedBytes).toBe(0);
    });

    test("a link closed by its receiver hands over nothing more", async () => {
      server.onFrame = (link) => link.close("enough");
      const link = connect();
      for (let i = 0; i < 10; i++) link.send(pattern(10, i));
      await harness.until(() => client.reasons.length > 0 && server.reasons.length > 0);
      expect(server.frames).toHaveLength(1);
      expect(client.reasons[0]).toContain("enough");
    });

    test("a link closed before it is open never opens", async () => {
      const link = connect();
      link.close("changed my mind");
      await harness.until(() => client.reasons.length > 0);
      expect([client.opens, client.reasons.length, client.frames.length]).toEqual([0, 1, 0]);
    });

    test("a frame longer than the receiver takes closes the link on both sides, with a reason", async () => {
      const link = connect();
      link.send(new Uint8Array(maxFrameBytes + 1));
      await harness.until(() => client.reasons.length > 0 && server.reasons.length > 0);
      expect(server.frames).toEqual([]);
      expect(server.reasons[0]).toMatch(/frame too (large|long)/i);
      expect(client.reasons[0]).toMatch(/frame too (large|long)/i);
      expect(connect().remote).not.toBe("");
    });

    test("back-pressure: the buffer counts, and drain comes once it is low again", async () => {
      const link = connect();
      await harness.until(() => client.opens === 1);
      const frame = pattern(1 << 20, 3);
      let sent = 0;
      while (link.bufferedBytes <= highMarkBytes && sent < 200) {
        link.send(frame);
        sent += 1;
      }
      expect(sent).toBeLessThan(200);
      await harness.until(() => client.drains > 0);
      expect(link.bufferedBytes).toBeLessThanOrEqual(lowMarkBytes);
      await harness.until(() => server.frames.length === sent);
      expect(client.drains).toBe(1);
    });

    test("closing the listener closes its links and frees the port", async () => {
      connect();
      await harness.until(() => server.opens === 1 && client.opens === 1);
      await harness.settle(listener.close());
      await harness.until(() => client.reasons.length === 1 && server.reasons.length === 1);
      const at = { host: harness.host, port: listener.port, maxFrameBytes };
      const again = new Side();
      listener = await harness.settle(harness.network.listen(at, again));
      connect().send(pattern(3, 3));
      await harness.until(() => again.frames.length === 1);
    });

    test("a port that is taken is refused", async () => {
      const at = { host: harness.host, port: listener.port, maxFrameBytes };
      await expect(harness.settle(harness.network.listen(at, new Side()))).rejects.toThrow();
    });
  });
}
