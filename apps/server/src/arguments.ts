/** Parses the lists and addresses of the server's command line. */
import { InvalidArgumentError } from "commander";
import { nodeName, placeSegments, type Role } from "@sixfold/model";

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `name@az=url`, `name@az/replica=url` or `name=url`. */
export interface Named {
  readonly name: string;
  readonly az: string;
  readonly role: Role;
  readonly url: string;
}

export function address(text: string): Address {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 0 || port > 65535)
    throw new InvalidArgumentError("host:port, please");
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

export function nodeList(text: string): Named[] {
  return text
    .split(",")
    .filter((item) => item.trim() !== "")
    .map((item) => {
      const match = /^([\w.-]+)(?:@([\w-]+)(\/replica)?)?=(wss?:\/\/\S+)$/.exec(item.trim());
      if (match === null)
        throw new InvalidArgumentError(`"${item}" is not of the form name@az=ws://host:port`);
      const [, name, az, replica, url] = match;
      return { name: name!, az: az ?? "", role: replica === undefined ? "writer" : "replica", url: url! };
    });
}

export function serverList(text: string): Named[] {
  const servers = nodeList(text);
  const names = new Set(servers.map(({ name }) => name));
  const infos = servers.map(({ name, az, url }) => ({ name: nodeName(name), az, url }));
  if (names.size < servers.length || placeSegments(infos, new Map()) === undefined)
    throw new InvalidArgumentError(
      `segment servers with different names, two or more in each of three zones, please, not ${[...names].join(", ")}`,
    );
  return servers;
}
