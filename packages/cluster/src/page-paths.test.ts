/** A question about pages, of a survivor whose courier's link breaks: it is asked again on the common link. */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { nodeName, pageId, pgId, streamId } from "@sixfold/model";
import { NodeHost } from "@sixfold/node-ports";
import { packCargo, volumeTagOf, type PulledPages, type PullPages, type StorageMessage } from "@sixfold/wire";
import { expect, onTestFinished, test } from "vitest";
import { listenerHandlers, type Channel, type Identity } from "./channel.ts";
import { LinkCourier } from "./courier.ts";
import { Dialler } from "./dialler.ts";
import { Heartbeats } from "./heartbeats.ts";
import { Journal } from "./journal.ts";
import { PagePaths } from "./page-paths.ts";
import { breakingLine } from "./testing/breaking-line.fixture.ts";

const PEER = nodeName("segment-b1");
const identity = (name: string): Identity => ({ role: "segment", name, volume: "v", token: "" });
const volumeTag = volumeTagOf("v");
const journal = new Journal(() => undefined);

const question: PullPages = {
  type: "pullPages",
  ...{ request: 7, pg: pgId(0), from: pageId(0), limit: 2, mends: undefined },
};
const answer: PulledPages = {
  type: "pulledPages",
  ...{ request: 7, pg: pgId(0), pages: [{ page: pageId(1), stored: new Uint8Array(120_000) }] },
  ...{ next: undefined, merged: [], settledThrough: streamId(0) },
};

test("a cargo that breaks off is asked for on the common link", async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-paths-"));
  const host = new NodeHost("newcomer", dir);
  const { clock, network } = host;
  const asked: string[] = [];
  const listener = await network.listen(
    { host: "127.0.0.1", port: 0, maxFrameBytes: 1 << 20 },
    listenerHandlers(
      identity(PEER),
      {
        up: () => undefined,
        message: (channel, message) => {
          asked.push(`${channel.peer!.role} ${message.type} ${(message as PullPages).request}`);
          if (channel.peer!.role === "copier")
            channel.sendCargo(packCargo(answer, volumeTag), () => undefined);
          else channel.send(answer);
        },
        down: () => undefined,
      },
      journal,
      new Heartbeats(),
    ),
  );
  const line = await breakingLine(listener.port, 50_000);
  const pages = await host.openPageStore("pages");
  let common: Channel | undefined;
  const paths = new PagePaths({
    ...{ clock, journal, pages, volumeTag, latencyMsTo: () => 0 },
    server: () => ({ name: PEER, az: "b", url: line.url }),
    channel: () => common,
    courier: (events) =>
      new LinkCourier({ clock, network, identity: identity("a"), journal, liveness: undefined }, events),
    received: () => expect.fail("the courier has brought what broke off"),
  });
  let dialler: Dialler | undefined;
  onTestFinished(async () => {
    dialler?.stop();
    paths.stop();
    line.close();
    await listener.close();
    await pages.close();
    fs.rmSync(dir, { recursive: true });
  });
  const came = await new Promise<StorageMessage>((resolve) => {
    const events = {
      up: (channel: Channel) => paths.send((common = channel), question),
      message: (_channel: Channel, message: object) => resolve(message as StorageMessage),
      down: () => undefined,
    };
    const dialling = { clock, network, identity: identity("a"), latencyMs: 0, journal };
    dialler = new Dialler({ ...dialling, url: listener.url, heartbeats: new Heartbeats(), events });
  });
  expect(asked).toEqual(["copier pullPages 7", "segment pullPages 7"]);
  expect(came).toEqual(answer);
});
