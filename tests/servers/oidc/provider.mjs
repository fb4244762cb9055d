// An OpenID provider for tests: `oidc-provider` with clients, and persons who exist as soon as somebody names them.
//
// Arguments: the port, and perhaps `plain`: claims are in the ID token, and clients send their secret in the form.
//
// KEY_NAME in the environment: it signs with a new key of that name, another at each start.
//
// Persons are named as `SUBJECT`, with claims after it: `ann`, `ann;email=eva@example.org`,
// `ann;unverified`, `ann;noemail`, `ann;name=Ann`. Without `email=` the address is SUBJECT@example.org.
//
// POST /test/next gives what the next answer of the token endpoint has instead: a provider that misbehaves.
import { generateKeyPairSync } from "node:crypto";

import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const plain = process.argv[3] === "plain";
const issuer = `http://127.0.0.1:${port}`;

function client(client_id, more = {}) {
  return {
    client_id,
    client_secret: `secret of ${client_id}/+%`,
    application_type: "native", // so that any port of this machine may be the client's
    grant_types: ["authorization_code"],
    response_types: ["code"],
    redirect_uris: ["http://127.0.0.1/v1/login/oidc/callback", "http://localhost/v1/login/oidc/callback"],
    token_endpoint_auth_method: plain ? "client_secret_post" : "client_secret_basic",
    ...more,
  };
}

/** Claims by subject, as somebody named the person last. */
const persons = new Map();

/** Makes a person known; the subject. */
function named(text) {
  const [subject, ...words] = text.split(";");
  const claims = { sub: subject, email: `${subject}@example.org`, email_verified: true, name: subject };
  for (const word of words) {
    const [name, value] = word.split("=");
    if (name === "unverified") claims.email_verified = false;
    else if (name === "noemail") delete claims.email;
    else claims[name] = value;
  }
  persons.set(subject, claims);
  return subject;
}

/** The keys it signs with. */
function newKeys(kid) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { keys: [{ ...privateKey.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" }] };
}

const provider = new Provider(issuer, {
  ...(process.env.KEY_NAME && { jwks: newKeys(process.env.KEY_NAME) }),
  clients: [
    client("tallystick"),
    client("other"),
    client("public", { client_secret: undefined, token_endpoint_auth_method: "none" }),
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
  clientAuthMethods: [plain ? "client_secret_post" : "client_secret_basic", "none"],
  conformIdTokenClaims: !plain,
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant,
  findAccount: (ctx, id) => ({ accountId: id, claims: async () => persons.get(id) }),
  ttl: { AccessToken: 600, AuthorizationCode: 600, IdToken: 600, Interaction: 600, Grant: 600, Session: 600 },
  cookies: { keys: ["a key of the tests"] },
});

/** Nobody is asked for consent to a scope. */
async function loadExistingGrant(ctx) {
  const grant = new ctx.oidc.provider.Grant({
    clientId: ctx.oidc.client.clientId,
    accountId: ctx.oidc.session.accountId,
  });
  grant.addOIDCScope("openid email profile");
  await grant.save();
  return grant;
}

const FORM = `<!doctype html><html lang="en"><title>Provider</title><h1>Provider</h1>
<form method="post"><label>Person <input name="person" autofocus></label>
<button name="does" value="enter">Enter</button> <button name="does" value="deny">Deny</button></form></html>`;

async function bodyOf(ctx) {
  let body = "";
  for await (const part of ctx.req) body += part;
  return body;
}

let next = null;
provider.use(async (ctx, follow) => {
  if (ctx.path === "/test/next" && ctx.method === "POST") {
    next = JSON.parse(await bodyOf(ctx));
    ctx.body = {};
    return;
  }
  if (ctx.path.startsWith("/interaction/")) {
    const { prompt, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (prompt.name === "consent") {
      // Asked of all clients whose page is on loopback, as another program may listen there.
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { consent: { grantId } }));
      return;
    }
    if (ctx.method === "GET") {
      ctx.type = "html";
      ctx.body = FORM;
      return;
    }
    const form = new URLSearchParams(await bodyOf(ctx));
    const result =
      form.get("does") === "deny"
        ? { error: "access_denied", error_description: "<b>no</b>" }
        : { login: { accountId: named(form.get("person")) } };
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
    return;
  }
  await follow();
  if (ctx.path === "/token" && ctx.body && next) {
    ctx.body = { ...ctx.body, ...next };
    next = null;
  }
});

provider.on("server_error", (ctx, error) => console.error(error));
provider.listen(port, "127.0.0.1", () => console.log("ready"));
