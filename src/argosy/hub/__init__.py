"""Django: the API, the database, and every decision about jobs and tasks."""
