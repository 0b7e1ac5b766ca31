// Shows the description of the API. A token that is typed here stays in the page: nothing is stored.
const place = document.querySelector("#documentation");
SwaggerUIBundle({
  docExpansion: "none", // there are too many operations to draw them all at once
  url: place.dataset.description,
  dom_id: "#documentation",
  deepLinking: false,
  persistAuthorization: false,
  syntaxHighlight: false,
  tryItOutEnabled: true,
});
