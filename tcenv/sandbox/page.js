// What the sandbox's pages do: save in the user's name, then go to the callback, whose address is put together without any
// encoding, as the real page does.

const element = (id) => document.getElementById(id);
const data = element("page");
const page = data && JSON.parse(data.textContent);
// A browser signs with its own clock; by a quarter of an hour it may be off (seconds).
const skew = 900;
const clock = () => Date.now() / 1000;

const tell = (text) => {
  element("error").textContent = text;
  element("error").hidden = !text;
};

const post = async (action, content) => {
  const answer = await fetch(`/sandbox/${action}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...content, clock: clock(), loaded: page.loaded }),
  });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.message);
  return body;
};

const lines = (text) => text.split("\n").filter((line) => line);

// Where the browser cannot size a field by its content, this does.
const fit = (field) => {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
};

const expires = () => {
  const field = element("expires");
  return field.value === field.defaultValue ? page.expires : `${field.value.slice(0, 16)}:00.000Z`;
};

const press = async (action) => {
  tell("");
  const acknowledge = element("acknowledge");
  if (page.refusal) return tell(page.refusal);
  if (acknowledge && !acknowledge.checked) return tell("Please acknowledge the warning first.");
  const buttons = document.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  try {
    const clientId = element("client-id").value.replaceAll("\n", "");
    const made = await post(action, {
      clientId,
      description: element("description").value,
      scopes: lines(element("scopes").value),
      expires: expires(),
      deleteOnExpiration: element("delete-on-expiration").checked,
    });
    if (page.callback === null) {
      document.querySelector("main").innerHTML = "<h1>Client saved</h1>";
    } else {
      window.location.replace(`${page.callback}?clientId=${made.clientId}&accessToken=${made.accessToken}`);
    }
  } catch (error) {
    tell(error.message);
  }
  for (const button of buttons) button.disabled = false;
};

const actions = { save: page?.variant === "edit" ? "update" : "create", reset: "reset", "create-new": "create-new" };
for (const [id, action] of Object.entries(actions)) element(id)?.addEventListener("click", () => press(action));

element("sign-in")?.addEventListener("click", async () => {
  await post("sign-in", {});
  window.location.reload();
});

const field = element("client-id");
if (field) {
  field.addEventListener("input", () => fit(field));
  fit(field);
}

// Until the page knows who the user is, there is a form without a Client ID, and Save ends in "Not Found". It stays so where
// their scopes cannot be read: that is forbidden, or this browser's clock is off.
const stale = page && page.now !== null && Math.abs(clock() - page.now) > skew;
if (field && page.variant !== "edit" && page.callback !== null && (stale || !page.known)) {
  if (stale) field.value = "";
  const user = await post("user", { name: page.name, scopes: page.scopes });
  field.value = user.clientId;
  element("scopes").value = user.scopes.join("\n");
  tell("");
  fit(field);
}
